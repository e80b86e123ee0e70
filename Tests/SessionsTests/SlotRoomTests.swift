import Foundation
import Glibc
import TestSupport
import Testing

@testable import Sessions

/// How many slot files there are, and which may be written, whatever readers do.
@Suite struct SlotRoomTests {
    /// The slots of one average in a directory of their own.
    final class Average {
        let directory: TemporaryDirectory
        var set = SlotSet()

        init() throws { directory = try TemporaryDirectory() }

        /// Makes the slot that there is room for, as an upload does.
        func slot(in room: SlotSet.Room) throws -> Slot {
            if let spare = room.spare { return spare }
            room.replaced?.discard()
            let path = Slot.path(in: directory.path, average: "a", number: room.number)
            return try Slot(creating: path, number: room.number, byteCount: 4096)
        }

        /// One upload.
        @discardableResult
        func publish(bound: Int = 2) throws -> Slot {
            let slot = try slot(in: set.takeRoom(bound: bound))
            set.publish(slot)
            return slot
        }

        /// One upload, whose revision somebody reads.
        func publishPinned(bound: Int = 2) throws -> SlotPin {
            SlotPin(try publish(bound: bound), of: nil)
        }

        func discardSurplus() {
            let surplus = set.takeSurplus()
            for slot in surplus { slot.discard() }
            set.discarded(surplus.count)
        }

        var fileCount: Int {
            (try? FileManager.default.contentsOfDirectory(atPath: directory.path).count) ?? -1
        }

        func exists(_ slot: Slot) -> Bool { access(slot.path, F_OK) == 0 }
    }

    private let average: Average

    init() throws { average = try Average() }

    @Test func `without readers two slots are written in turn`() throws {
        let slots = try (0..<6).map { _ in try average.publish() }
        #expect(slots[0] === slots[2] && slots[1] === slots[5] && slots[0] !== slots[1])
        #expect(average.fileCount == 2)
    }

    @Test(arguments: 0...3) func `there is room for as many readers as the bound says`(
        _ bound: Int
    ) throws {
        var pins: [SlotPin] = []
        for _ in 0...bound {
            #expect(average.set.hasRoom(bound: bound))
            pins.append(try average.publishPinned(bound: bound))
        }
        // The current revision and as many older ones are being read; one more may be written.
        #expect(average.set.hasRoom(bound: bound))
        pins.append(try average.publishPinned(bound: bound))
        #expect(average.fileCount == bound + 2)
        #expect(!average.set.hasRoom(bound: bound))
        pins[bound / 2].sent()
        #expect(average.set.hasRoom(bound: bound))
        pins.append(try average.publishPinned(bound: bound))
        #expect(average.fileCount == bound + 2)
        #expect(!average.set.hasRoom(bound: bound))
    }

    @Test func `a slot whose reader is gone is written again rather than a new one`() throws {
        var pin: SlotPin? = try average.publishPinned()
        let slot = pin?.slot
        try average.publish()
        let room = average.set.takeRoom(bound: 2)
        #expect(room.spare == nil && room.replaced == nil)
        average.set.giveBack(nil)
        pin?.sent()
        #expect(average.set.takeRoom(bound: 2).spare == nil)
        average.set.giveBack(nil)
        pin = nil
        #expect(average.set.takeRoom(bound: 2).spare === slot)
    }

    @Test func `beyond the bound the longest idle reader's slot is forgotten`() throws {
        let pins = try (0..<4).map { _ in try average.publishPinned() }
        pins[2].sent()
        pins[1].sent()
        let room = average.set.takeRoom(bound: 2)
        #expect(room.spare == nil)
        #expect(room.replaced === pins[1].slot)
        average.set.giveBack(room.replaced)
        #expect(average.exists(pins[1].slot))
        // One that can never be written again goes before it.
        pins[2].abandoned()
        #expect(average.set.takeRoom(bound: 2).replaced === pins[2].slot)
    }

    @Test func `an abandoned slot is not written again and goes when nobody sends it`() throws {
        let slot = try average.publish()
        let (first, second) = (SlotPin(slot, of: nil), SlotPin(slot, of: nil))
        try average.publish()
        first.abandoned()
        first.sent()
        average.discardSurplus()
        #expect(average.exists(slot))
        second.sent()
        #expect(average.set.takeRoom(bound: 2).spare == nil)
        average.set.giveBack(nil)
        average.discardSurplus()
        #expect(!average.exists(slot))
        withExtendedLifetime((first, second)) {}
    }

    @Test func `a slot of an earlier process is read but never written`() throws {
        let before = try average.publish()
        let slot = try #require(
            Slot(opening: before.path, number: before.number, byteCount: before.byteCount))
        let header = SlotHeader(tensors: [], session: "s", average: "a", strategy: "")
        average.set = SlotSet(header: header, current: slot)
        try average.publish()
        #expect(average.set.takeRoom(bound: 2).spare == nil)
        average.set.giveBack(nil)
        average.discardSurplus()
        #expect(!average.exists(slot))
    }

    @Test func `a spare slot too many goes when it was not used since the last look`() throws {
        var pins = try (0..<3).map { _ in try average.publishPinned() }
        try average.publish()
        pins = []
        #expect(pins.isEmpty && average.fileCount == 4)
        average.discardSurplus()
        #expect(average.fileCount == 4)
        // Uploads use one and the same of them.
        for _ in 0..<5 { try average.publish() }
        average.discardSurplus()
        #expect(average.fileCount == 2)
        try average.publish()
        #expect(average.fileCount == 2)
    }

    @Test func `while an upload writes none of the others is needed`() throws {
        let pin = try average.publishPinned()
        try average.publish()
        let next = try average.slot(in: average.set.takeRoom(bound: 2))
        do { _ = consume pin }
        average.discardSurplus()
        average.discardSurplus()
        #expect(average.fileCount == 2)
        average.set.publish(next)
        #expect(average.set.takeRoom(bound: 2).spare != nil)
    }

    @Test func `a surplus slot counts until it is discarded`() throws {
        let pin = try average.publishPinned(bound: 0)
        try average.publish(bound: 0)
        pin.abandoned()
        pin.sent()
        #expect(average.set.hasRoom(bound: 0))
        let surplus = average.set.takeSurplus()
        #expect(surplus.count == 1)
        #expect(!average.set.hasRoom(bound: 0))
        for slot in surplus { slot.discard() }
        average.set.discarded(1)
        #expect(average.set.hasRoom(bound: 0))
    }

    @Test func `readers are overdue only all together and after their time`() throws {
        let start = ContinuousClock.now
        let slot = try average.publish()
        let pin = SlotPin(slot, of: nil)
        let first = pin.paced(ReaderPace(since: start, byteCount: 300, drop: {}))
        let second = pin.paced(
            ReaderPace(since: start + .seconds(1), byteCount: 100, drop: {}))
        func overdue(_ seconds: Double) -> Int? {
            slot.readers.overdue(now: start + .seconds(seconds), rate: 100, grace: .seconds(5))?
                .count
        }
        // The pin itself is nobody's response, as a checkpoint's.
        #expect(overdue(1000) == nil)
        pin.sent()
        #expect(overdue(8) == nil && overdue(8.001) == 2)
        first.sent()
        #expect(overdue(7) == nil && overdue(7.001) == 1)
        second.sent()
        #expect(overdue(1000) == nil)
    }

    /// Readers and uploads in any order: no more files than allowed, no slot written that somebody
    /// may refer to, none gone that somebody still sends.
    @Test(arguments: 0..<20) func `whatever readers do the bound holds`(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let bound = Int.random(in: 0...3, using: &random)
        var pins: [(pin: SlotPin, isSent: Bool)] = []
        var lost: Set<Int> = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                guard average.set.hasRoom(bound: bound) else {
                    #expect(pins.contains { !$0.isSent })
                    continue
                }
                let slot = try average.slot(in: average.set.takeRoom(bound: bound))
                #expect(!pins.contains { $0.pin.slot === slot } && !lost.contains(slot.number))
                if Bool.random(using: &random) {
                    average.set.publish(slot)
                } else {
                    average.set.giveBack(slot)
                }
            case 2, 3:
                if let current = average.set.current {
                    pins.append((SlotPin(current, of: nil), false))
                }
            case 4:
                guard let index = pins.indices.randomElement(using: &random) else { continue }
                if !pins[index].isSent { pins[index].pin.sent() }
                pins[index].isSent = true
            case 5:
                guard let index = pins.indices.randomElement(using: &random) else { continue }
                pins.remove(at: index)
            case 6:
                guard let index = pins.indices.randomElement(using: &random) else { continue }
                pins[index].pin.abandoned()
                lost.insert(pins[index].pin.slot.number)
                pins.remove(at: index)
            default:
                average.discardSurplus()
            }
            #expect(average.fileCount <= bound + 2)
            #expect(pins.allSatisfy { $0.isSent || average.exists($0.pin.slot) })
        }
        pins = []
        try average.publish(bound: bound)
        try average.publish(bound: bound)
        average.discardSurplus()
        average.discardSurplus()
        #expect(average.fileCount == 2)
    }
}
