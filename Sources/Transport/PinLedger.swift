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
        /// What the peer must do for the pages to be free, short of resetting the connection.
        var proof: Proof
    }

    private enum Proof {
        /// Send a request: the engine must count more answers than these.
        case request(after: Int)
        /// As before, but the peer's stream up to this place was sent before it could have read
        /// the slice: the engine's count is taken when it is past that.
        case requestBeyond(place: Int)
        /// Nothing would show it: its side was closed before the last byte was written.
        case none
    }

    private var entries: [Entry] = []

    var isEmpty: Bool { entries.isEmpty }

    /// A slice was written whole, and the peer may still send.
    ///
    /// - Parameters:
    ///   - arrived: bytes the peer had sent so far, whether taken by the engine or not.
    ///   - taken: of these, bytes the engine has taken.
    ///   - answers: `WireEngine.acknowledgedAnswers` now.
    mutating func hold(_ pin: any SlicePin, arrived: Int, taken: Int, answers: Int) {
        let proof =
            taken >= arrived ? Proof.request(after: answers) : .requestBeyond(place: arrived)
        entries.append(Entry(pin: pin, proof: proof))
    }

    /// A slice was written, whole or in part, to a peer that had closed its sending side.
    mutating func holdUnproven(_ pin: any SlicePin) {
        entries.append(Entry(pin: pin, proof: .none))
    }

    /// The engine has taken `taken` bytes in all and counts `answers`: lets go of the slices that
    /// a later request proves to be read. A request that shares a read with earlier bytes may
    /// itself be an early one, so it only sets the count to be passed.
    mutating func acknowledge(taken: Int, answers: Int) {
        for index in entries.indices {
            if case .requestBeyond(let place) = entries[index].proof, taken >= place {
                entries[index].proof = .request(after: answers)
            }
        }
        entries.removeAll { entry in
            if case .request(let count) = entry.proof { answers > count } else { false }
        }
    }

    /// The peer closed its side when its kernel had every byte: lets go of the slices that were
    /// written before.
    mutating func peerEnded() {
        entries.removeAll { entry in
            if case .none = entry.proof { false } else { true }
        }
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
