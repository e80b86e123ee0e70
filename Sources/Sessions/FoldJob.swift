import Averaging
import Dispatch
import Glibc
import Synchronization
import TensorFormats
import Tensors

/// One upload's fold into the spare slots of every started average.
///
/// The upload whose turn it is owns the job and uses it from one thread at a time — its lane, or a
/// Dispatch thread while the body is paused — hence `@unchecked Sendable`. Nothing that readers
/// see changes before the session publishes the slots.
final class FoldJob: @unchecked Sendable {
    struct Participant {
        /// Index in the session's averages.
        let average: Int
        let step: FoldStep
        /// Models in the average after this one.
        let count: Int
        /// The published slot; nil before the first model.
        let current: Slot?
        /// The number for a new slot file, which none of its average has.
        let slotNumber: Int
        /// The slot that a new one takes the place of; until `allocate` makes that.
        var replaced: Slot?
        /// Where the result goes; nil until `allocate`.
        var next: Slot?
        var header: SlotHeader?
    }

    /// Where and as what `allocate` makes a participant's missing slot.
    struct SlotMaker: Sendable {
        let directory: String
        let session: String
        let settings: [AverageSettings]
        let accumulator: AccumulatorSetting
    }

    /// Above this size of a model, stores go around the cache: ordinary stores would read every
    /// line before they overwrite it (measured: they win below 8 to 16 MB, lose above).
    static let nonTemporalBytes = 12 * 1024 * 1024
    /// Bytes that a thread folds at once in parallel: what stays in its cache while every average
    /// takes them.
    private static let batchBytes = 256 * 1024
    /// Memory for a first upload is taken in steps of this many bytes of its body, as they arrive.
    private static let growthBytes = 64 * 1024 * 1024
    /// The first step is shorter: a header costs little that promises more than comes, and so does
    /// a body that decodes to more than it may, which is found out within it.
    private static let firstGrowthBytes = 5 * 1024 * 1024

    private(set) var participants: [Participant]
    private let maker: SlotMaker
    private let checksFinite: Bool
    private let kernels = FoldKernels.best
    /// The session's layout; made from this upload's header when there is none yet.
    private(set) var layout: ModelLayout?
    /// Whether the session has no layout yet.
    let fixesLayout: Bool
    private(set) var plan: UploadPlan?
    /// The plan of the session's last upload; it fits when the header is the same.
    private let known: UploadPlan?
    /// The first result that is not finite; then nothing more is folded.
    private(set) var nonFinite: SessionError?
    private var isNonTemporal = false
    /// The body's data section may be folded up to here: beyond it the slots have no memory yet.
    private(set) var reservedUpTo = 0

    /// - Parameter known: the plan of the session's last upload.
    init(
        participants: [Participant], maker: SlotMaker, checksFinite: Bool,
        layout: ModelLayout?, known: UploadPlan?
    ) {
        self.participants = participants
        self.maker = maker
        self.checksFinite = checksFinite
        self.layout = layout
        fixesLayout = layout == nil
        self.known = known
    }

    /// Takes the upload's header.
    func plan(for header: SafetensorsHeader) throws(SessionError) {
        let layout =
            self.layout ?? ModelLayout(header: header, accumulator: maker.accumulator)
        if let known, known.header === header, known.layout === layout {
            plan = known
        } else {
            plan = try UploadPlan(header: header, layout: layout)
        }
        self.layout = layout
        isNonTemporal = layout.dataByteCount >= FoldJob.nonTemporalBytes
        let isReady = participants.allSatisfy { $0.next?.isWhollyReserved ?? false }
        reservedUpTo = isReady ? .max : 0
    }

    // MARK: Memory

    /// Makes the slots that are missing and backs with memory what the next bytes of the body's
    /// data section, from `position` on, are folded into. Not for a lane.
    func allocate(from position: Int) throws(SessionError) {
        guard let layout, let plan else { return }
        for index in participants.indices where participants[index].next == nil {
            let average = maker.settings[participants[index].average]
            let header =
                participants[index].header
                ?? SlotHeader(layout, session: maker.session, average)
            participants[index].header = header
            participants[index].replaced?.discard()
            participants[index].replaced = nil
            participants[index].next = try makeSlot(
                number: participants[index].slotNumber, average: average.name, header: header,
                dataByteCount: layout.dataByteCount)
        }
        let growth = position == 0 ? FoldJob.firstGrowthBytes : FoldJob.growthBytes
        let end = min(plan.header.dataByteCount, position + growth)
        for participant in participants {
            guard let next = participant.next, let header = participant.header else { continue }
            for range in plan.slotRanges(ofBody: position..<end) {
                try next.reserve(
                    range.lowerBound + header.byteCount..<range.upperBound + header.byteCount)
            }
        }
        reservedUpTo = end == plan.header.dataByteCount ? .max : end
    }

    /// The same for all of the body's data section up to `position`.
    func allocate(upTo position: Int) throws(SessionError) {
        while reservedUpTo < position || reservedUpTo == 0 { try allocate(from: reservedUpTo) }
    }

    private func makeSlot(
        number: Int, average: String, header: SlotHeader, dataByteCount: Int
    ) throws(SessionError) -> Slot {
        let slot = try Slot(
            creating: Slot.path(in: maker.directory, average: average, number: number),
            number: number, byteCount: header.byteCount + dataByteCount)
        do throws(SessionError) {
            try slot.reserve(0..<header.byteCount)
        } catch {
            slot.discard()
            throw error
        }
        UnsafeMutableRawBufferPointer(start: slot.base, count: header.byteCount)
            .copyBytes(from: header.template)
        return slot
    }

    /// The slots that hold the result, by the index of their average.
    var sealedSlots: [Int: Slot] {
        var slots: [Int: Slot] = [:]
        for participant in participants { slots[participant.average] = participant.next }
        return slots
    }

    // MARK: Folding

    /// Folds one piece into every participant, while it is in the cache.
    func fold(_ piece: TensorPiece) {
        guard nonFinite == nil, let failure = folded(piece) else { return }
        nonFinite = failure
    }

    /// Folds a whole data section in parallel. Not for a lane.
    ///
    /// - Throws: what `data` throws, or the first result that is not finite: the one that comes
    ///   first in the body, whatever order the threads ran in.
    func foldInParallel(_ data: ModelData) throws(SessionError) {
        guard let plan else { return }
        let cut = FoldBatches(plan.header, byteCount: FoldJob.batchBytes)
        let next = Atomic<Int>(0)
        let failures = Mutex<[Int: SessionError]>([:])
        let threads = min(cut.batches.count, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            let room = UnsafeMutableRawBufferPointer.allocate(
                byteCount: FoldJob.batchBytes, alignment: 64)
            defer { room.deallocate() }
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < cut.batches.count else { break }
                do throws(SessionError) {
                    try fold(cut, cut.batches[index], data, room)
                } catch {
                    failures.withLock { $0[index] = error }
                    // Those before it are done or in progress; those after it need not begin.
                    next.store(cut.batches.count, ordering: .relaxed)
                }
            }
            FoldKernels.fence()
        }
        let first = failures.withLock { found in found.min { $0.key < $1.key }?.value }
        if let first { throw first }
    }

    private func fold(
        _ cut: FoldBatches, _ batch: Range<Int>, _ data: ModelData,
        _ room: UnsafeMutableRawBufferPointer
    ) throws(SessionError) {
        let range = cut.byteRange(of: batch)
        let bytes = try data.bytes(range, room)
        for piece in cut.pieces[batch] {
            let start = piece.bytes.lowerBound - range.lowerBound
            let failure = folded(
                TensorPiece(
                    tensor: piece.tensor, elementOffset: piece.elementOffset,
                    bytes: UnsafeRawBufferPointer(
                        rebasing: bytes[start..<start + piece.bytes.count])))
            if let failure { throw failure }
        }
    }

    private func folded(_ piece: TensorPiece) -> SessionError? {
        guard let plan, let source = piece.bytes.baseAddress else { return nil }
        let target = plan.targets[piece.tensor]
        let offset =
            target.byteOffset + piece.elementOffset * target.storedType.byteCount
        for participant in participants {
            guard let next = participant.next, let header = participant.header else { continue }
            let destination = next.base + header.byteCount + offset
            guard target.isAveraged else {
                destination.copyMemory(from: source, byteCount: piece.bytes.count)
                continue
            }
            let failed = kernels.fold(
                source: source, sourceType: target.uploadedType,
                current: participant.current.map {
                    UnsafeRawPointer($0.base + header.byteCount + offset)
                },
                next: destination, accumulator: target.storedType,
                count: piece.bytes.count / target.uploadedType.byteCount, step: participant.step,
                checkFinite: checksFinite, nonTemporal: isNonTemporal)
            if let failed {
                return .nonFinite(
                    tensor: plan.header.tensors[piece.tensor].spec.name,
                    index: piece.elementOffset + failed,
                    average: maker.settings[participant.average].name)
            }
        }
        return nil
    }
}
