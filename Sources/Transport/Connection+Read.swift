import CPlatform
import Glibc
import HTTPWire

extension Connection {
    /// Reads into the lane's buffer and gives it to the engine, as long as bytes are there, the
    /// engine wants them, and the turn allows.
    func readInput(_ now: Instant) {
        let buffer = lane.buffer
        var budget = Lane.turnBytes
        while budget > 0, mayRead {
            switch takesDescriptors
                ? receiveWithDescriptors(buffer) : stream.read(into: buffer)
            {
            case .done(0):
                endInput()
                engine?.receiveEnd(now: now)
                return
            case .done(let count):
                budget -= count
                lane.movedBytes += count
                deliver(UnsafeRawBufferPointer(rebasing: buffer[..<count]), now)
                // The socket is empty: asking it again would cost a call to learn that.
                if count < buffer.count { return }
            case .again:
                return
            case .failed(let code):
                lose(code)
                return
            }
        }
    }

    /// Reads into `buffer`, and gives the engine the open files that came with the bytes.
    private func receiveWithDescriptors(
        _ buffer: UnsafeMutableRawBufferPointer
    ) -> SystemOutcome {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: Int(PLATFORM_DESCRIPTORS)) {
            numbers in
            var count: Int32 = 0
            let outcome = systemCall {
                platform_receive(
                    fd, buffer.baseAddress, buffer.count, numbers.baseAddress, &count)
            }
            if count > 0 { engine?.receive(numbers.prefix(Int(count)).map(OpenDescriptor.init)) }
            return outcome
        }
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer, _ now: Instant) {
        let taken = give(bytes, now)
        if taken < bytes.count {
            kept = [UInt8](bytes[taken...])
            keptStart = 0
        }
    }

    /// Offers the kept bytes again.
    ///
    /// - Returns: how many the engine took.
    @discardableResult
    func offerKept(_ now: Instant) -> Int {
        let bytes = kept
        let taken = bytes.withUnsafeBytes {
            give(UnsafeRawBufferPointer(rebasing: $0[keptStart...]), now)
        }
        keptStart += taken
        if keptStart == bytes.count {
            kept = []
            keptStart = 0
        }
        return taken
    }

    private func give(_ bytes: UnsafeRawBufferPointer, _ now: Instant) -> Int {
        guard let engine else { return 0 }
        var taken = engine.receive(bytes, now: now)
        precondition(0...bytes.count ~= taken, "an engine took bytes that were not offered")
        takenBytes += taken
        if isTCP, !ledger.isEmpty {
            ledger.acknowledge(taken: takenBytes, answers: engine.acknowledgedAnswers)
        }
        guard let successor else { return taken }
        self.successor = nil
        self.engine = successor
        engine.disconnected()
        taken += give(UnsafeRawBufferPointer(rebasing: bytes[taken...]), now)
        return taken
    }

    /// Reads and drops, while lingering, whatever it would mean to the stream.
    func discardInput() {
        let buffer = lane.buffer
        var budget = Lane.turnBytes
        while budget > 0 {
            switch systemCall({ recv(fd, buffer.baseAddress, buffer.count, 0) }) {
            case .done(0):
                endInput()
                if !wantsWrite { close() }
                return
            case .done(let count):
                budget -= count
                if count < buffer.count { return }
            case .again:
                return
            case .failed(let code):
                lose(code)
                return
            }
        }
    }
}
