import Glibc
import ServiceLimits
import TensorFormats
import Tensors
import TestSupport
import Testing

@testable import Sessions

@Suite struct SlotHeaderTests {
    private func header(session: String = "s", average: String = "main") throws -> SlotHeader {
        let tensor = try #require(TensorSpec(name: "w", elementType: .f32, shape: [2, 3]))
        return SlotHeader(
            tensors: [tensor], session: session, average: average, strategy: #"{"rule":"x"}"#)
    }

    @Test(arguments: [0, 1, 9, 10, 12_345, Int.max])
    func everyNumberIsReadBackAndTheLengthIsAlwaysTheSame(number: Int) throws {
        let header = try header()
        let bytes = header.bytes(counter: number, revision: Int.max - number)
        #expect(bytes.count == header.byteCount)
        #expect(bytes.count % 64 == 0)
        var decoder = SafetensorsDecoder(
            limits: SafetensorsLimits(Limits()), bodyByteCount: bytes.count + 24, reusing: nil)
        let taken = try bytes.withUnsafeBytes { try decoder.receiveHeader($0) }
        #expect(taken == bytes.count)
        let read = try #require(decoder.header)
        #expect(
            Dictionary(uniqueKeysWithValues: read.metadata.map { ($0.name, $0.value) }) == [
                "average_counter": "\(number)", "revision": "\(Int.max - number)",
                "session": "s", "average": "main", "strategy": #"{"rule":"x"}"#,
            ])
        #expect(read.tensors.map(\.spec.shape) == [[2, 3]])
    }

    @Test func aLaterSmallerNumberLeavesNothingOfALargerOne() throws {
        let header = try header()
        var bytes = header.bytes(counter: 1_000_000, revision: 2_000_000)
        bytes.withUnsafeMutableBytes { header.patch($0, counter: 7, revision: 8) }
        #expect(bytes == header.bytes(counter: 7, revision: 8))
    }

    @Test func namesThatLookLikeTheFieldsAreNotPatched() throws {
        let name = #"","average_counter":"00000000000000000000"#
        let bytes = try header(session: name).bytes(counter: 3, revision: 4)
        var decoder = SafetensorsDecoder(
            limits: SafetensorsLimits(Limits()), bodyByteCount: nil, reusing: nil)
        _ = try bytes.withUnsafeBytes { try decoder.receiveHeader($0) }
        let metadata = try #require(decoder.header).metadata
        #expect(metadata.first { $0.name == "session" }?.value == name)
        #expect(metadata.first { $0.name == "average_counter" }?.value == "3")
    }
}

@Suite struct SlotTests {
    private let sessions: TestSessions

    init() throws { sessions = try TestSessions() }

    @Test func memoryIsTakenOnlyAsItIsReserved() throws {
        let path = Slot.path(in: sessions.directory.path, average: "b", number: 0)
        let size = 10 << 20
        let slot = try Slot(creating: path, number: 0, byteCount: size)
        #expect(slot.reservedByteCount == 0)
        try slot.reserve(0..<1)
        #expect(slot.reservedByteCount == 2 << 20)
        try slot.reserve((2 << 20) - 1..<(2 << 20) + 1)
        #expect(slot.reservedByteCount == 4 << 20)
        #expect(!slot.isWhollyReserved)
        var status = stat()
        try #require(stat(path, &status) == 0)
        #expect(status.st_blocks * 512 >= 4 << 20 && status.st_blocks * 512 < 5 << 20)
        try slot.reserve((4 << 20)..<size)
        #expect(slot.isWhollyReserved)
        #expect(slot.reservedByteCount == size)
    }
}
