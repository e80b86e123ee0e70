import HTTPWire

/// The pins of slices that were written by reference and whose pages a reader may still refer to.
///
/// A value without sockets: the connection tells it what it learned. Over TCP nothing on our side
/// of the wire shows that a local reader is done: its socket buffer holds references to the file's
/// pages, not copies, even after both sides' kernels agree that everything arrived and even after
/// we close. The proofs that are taken are listed at `acknowledge` and in `Connection+Close.swift`.
struct PinLedger {
    private struct Entry {
        let pin: any SlicePin
        /// Bytes of the peer's stream that had arrived when the slice's last byte was written:
        /// what they hold was sent before the peer could have read the slice.
        let arrived: Int
        /// `WireEngine.acknowledgedAnswers` once the engine had taken those bytes.
        var baseline: Int?
    }

    private var entries: [Entry] = []

    var isEmpty: Bool { entries.isEmpty }

    /// - Parameters:
    ///   - arrived: bytes the peer had sent so far, whether taken by the engine or not.
    ///   - taken: of these, bytes the engine has taken.
    ///   - answers: the engine's count now.
    mutating func hold(_ pin: any SlicePin, arrived: Int, taken: Int, answers: Int) {
        let baseline = taken >= arrived ? answers : nil
        entries.append(Entry(pin: pin, arrived: arrived, baseline: baseline))
    }

    /// The engine has taken `taken` bytes in all and counts `answers`: lets go of the slices that
    /// a later request proves to be read. A request that shares a read with earlier bytes may
    /// itself be an early one, so it only sets the baseline.
    mutating func acknowledge(taken: Int, answers: Int) {
        var kept = 0
        for index in entries.indices {
            var entry = entries[index]
            if let baseline = entry.baseline {
                if answers > baseline { continue }
            } else if taken >= entry.arrived {
                entry.baseline = answers
            }
            entries[kept] = entry
            kept += 1
        }
        entries.removeLast(entries.count - kept)
    }

    /// Nobody refers to the pages any more.
    mutating func release() {
        entries = []
    }

    /// Nobody will ever know whether somebody does.
    mutating func abandon() {
        for entry in entries { entry.pin.abandoned() }
        entries = []
    }
}
