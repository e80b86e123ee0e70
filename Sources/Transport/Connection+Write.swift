import CPlatform
import Glibc
import HTTPWire
import Logging
import ServiceLimits

/// What an engine handed out and the socket has not taken whole: bytes, or a slice, or several
/// pieces, or nothing.
struct Output {
    var bytes: [UInt8] = []
    /// Of `bytes`, how many are written.
    var written = 0
    var slice: SliceOutput?
    var pieces: PieceQueue?

    var isEmpty: Bool { bytes.isEmpty && slice == nil && pieces == nil }
}

/// A slice on its way.
struct SliceOutput {
    let slice: FileSlice
    var written = 0
    /// Bytes are copied into the socket instead of referred to.
    var isCopied: Bool
    /// Some of what is written was referred to.
    var wasReferred = false

    var remaining: Int { slice.count - written }
}

/// Notices a reader who takes nothing.
struct WriteWatch {
    /// When to look again.
    var check: Instant
    /// When bytes were last seen to leave.
    var progress: Instant
    /// Bytes in the socket's send queue then.
    var unsent: Int
}

extension Connection {
    /// Writes until the socket is full, the engine has no more, or the turn is over.
    func writeOutput(_ now: Instant) {
        var budget = Lane.turnBytes
        var wrote = false
        wantsWrite = false
        while true {
            guard budget > 0 else {
                wantsWrite = true
                if wrote { watchWriting(now) }
                return
            }
            let needsMore = output.isEmpty
            switch needsMore ? stream.flush() : writeSome(upTo: budget) {
            case .done(let count):
                // One at least, so that an engine that hands out empty pieces for ever has an end.
                budget -= max(count, 1)
                lane.movedBytes += count
                if !needsMore {
                    wrote = true
                } else if !pullOutput(now) {
                    writeWatch = nil
                    return
                }
            case .again:
                wantsWrite = true
                if wrote || writeWatch == nil { watchWriting(now) }
                return
            case .failed(let code):
                lose(code)
                return
            }
        }
    }

    /// Asks the engine for its next piece.
    ///
    /// - Returns: whether there may be more to write.
    private func pullOutput(_ now: Instant) -> Bool {
        guard let engine else { return false }
        switch engine.nextOutput(now: now) {
        case .bytes(let bytes):
            output.bytes = bytes
            return true
        case .slice(let slice):
            // A reader that has already closed its sending side cannot acknowledge anything any
            // more: it gets copies, which need no acknowledgement.
            let isCopied =
                !stream.isPlain || slice.transfer == .copy || (isTCP && Socket.peerHasEnded(fd))
            output.slice = SliceOutput(slice: slice, isCopied: isCopied)
            if slice.count == 0 { output.slice = nil }
            return true
        case .pieces(let pieces):
            output.pieces = PieceQueue(pieces)
            return true
        case .nothing:
            return false
        case .closeAfterLinger:
            beginLinger(now)
        case .close:
            finish(now)
        case .reset:
            drop()
        }
        return false
    }

    private func writeSome(upTo limit: Int) -> SystemOutcome {
        if output.slice != nil { return writeSlice(upTo: limit) }
        if output.pieces != nil { return writePieces(upTo: limit) }
        let outcome = output.bytes.withUnsafeBytes { bytes in
            stream.write(UnsafeRawBufferPointer(rebasing: bytes[output.written...]))
        }
        if case .done(let count) = outcome {
            output.written += count
            if output.written == output.bytes.count {
                output.bytes = []
                output.written = 0
            }
        }
        return outcome
    }

    private func writePieces(upTo limit: Int) -> SystemOutcome {
        guard var queue = output.pieces else { return .done(0) }
        output.pieces = nil
        let outcome = queue.write(to: stream, upTo: limit, scratch: lane.buffer)
        if !queue.isEmpty { output.pieces = queue }
        return outcome
    }

    private func writeSlice(upTo limit: Int) -> SystemOutcome {
        guard var flight = output.slice else { return .done(0) }
        let count = min(flight.remaining, limit)
        var outcome = flight.isCopied ? copySlice(flight, count) : referSlice(flight, count)
        if case .failed(let code) = outcome, !flight.isCopied, code == EINVAL || code == ENOSYS {
            // The file system has no sendfile.
            flight.isCopied = true
            outcome = copySlice(flight, count)
        }
        switch outcome {
        case .done(0):
            // The file is shorter than the slice: the answer cannot be completed.
            return .failed(EIO)
        case .done(let written):
            flight.written += written
            if !flight.isCopied { flight.wasReferred = true }
            output.slice = flight
            if flight.remaining == 0 { completeSlice(flight) }
        case .again, .failed:
            output.slice = flight
        }
        return outcome
    }

    private func referSlice(_ flight: SliceOutput, _ count: Int) -> SystemOutcome {
        var offset = off_t(flight.slice.offset + flight.written)
        return systemCall { sendfile(fd, flight.slice.fileDescriptor, &offset, count) }
    }

    /// The lane's receive buffer is free while output is written.
    private func copySlice(_ flight: SliceOutput, _ count: Int) -> SystemOutcome {
        stream.copy(
            flight.slice, from: flight.written, count: count, scratch: lane.buffer)
    }

    private func completeSlice(_ flight: SliceOutput) {
        output.slice = nil
        guard flight.wasReferred, let engine else { return }
        flight.slice.pin.sent()
        if isTCP, Socket.peerHasEnded(fd) { return ledger.holdUnproven(flight.slice.pin) }
        let unread = isTCP ? Socket.unreadBytes(fd) + kept.count - keptStart : 0
        ledger.hold(
            flight.slice.pin, arrived: takenBytes + unread, taken: takenBytes,
            answers: engine.acknowledgedAnswers)
    }

    // MARK: Slow readers

    /// Bytes were written, or for the first time could not be.
    private func watchWriting(_ now: Instant) {
        writeWatch = WriteWatch(
            check: now.advanced(by: lane.settings.limits.writeTimeout / 4), progress: now,
            unsent: Socket.unsentBytes(fd))
    }

    /// Drops a reader who took nothing for `Limits.writeTimeout`, seen a quarter of it too late at
    /// most. The socket becomes writable only when a good part of its queue is free, so a slow
    /// reader is told from a dead one by the queue getting shorter.
    func checkWriting(_ now: Instant) {
        guard var watch = writeWatch, watch.check <= now else { return }
        let timeout = lane.settings.limits.writeTimeout
        let unsent = Socket.unsentBytes(fd)
        if unsent < watch.unsent {
            watch.unsent = unsent
            watch.progress = now
        } else if watch.progress.duration(to: now) >= timeout {
            lane.settings.logger.debug("dropping a reader that takes nothing")
            drop()
            return
        }
        watch.check = now.advanced(by: timeout / 4)
        writeWatch = watch
    }
}
