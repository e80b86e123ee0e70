import Averaging
import Synchronization
import TensorFormats
public import Tensors

/// One revision of an average, which does not change while this is held. Any thread.
///
/// An object, because every request for it hands it on several times.
public final class PublishedModel: Sendable {
    /// The session's name.
    let session: String
    /// The average's name.
    public let average: String
    /// The session's incarnation, for entity tags.
    public let incarnation: String
    /// The session's revision at which the average last changed.
    public let revision: Int
    /// Models in the average.
    public let count: Int
    /// Which tensors the file holds, and where.
    public let layout: ModelLayout
    /// Holds the bytes; keep it as long as they are read.
    public let pin: SlotPin
    private let header: SlotHeader

    init(
        session: String, average: String, incarnation: String, revision: Int, count: Int,
        layout: ModelLayout, pin: SlotPin, header: SlotHeader
    ) {
        self.session = session
        self.average = average
        self.incarnation = incarnation
        self.revision = revision
        self.count = count
        self.layout = layout
        self.pin = pin
        self.header = header
    }

    /// The stored file: a safetensors header and the data in the layout's order.
    public var fileDescriptor: Int32 { pin.slot.fileDescriptor }
    /// Where the file is mapped.
    public var base: UnsafeRawPointer { UnsafeRawPointer(pin.slot.base) }
    /// Where the data section begins.
    public var headerByteCount: Int { header.byteCount }
    /// The file's length.
    public var byteCount: Int { pin.slot.byteCount }

    /// Where a tensor's elements of the stored type are.
    public func bytes(of entry: ModelLayout.Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: base + headerByteCount + entry.byteOffset, count: entry.stored.byteCount)
    }

    /// The same model as a response of `byteCount` bytes holds it that begins at `start`.
    ///
    /// - Parameter drop: ends the response; called from any thread, more than once perhaps, when
    ///   the reader is slower than `Limits.readRate` and keeps an upload from its turn.
    public func read(
        byteCount: Int, since start: ContinuousClock.Instant = .now,
        drop: @escaping @Sendable () -> Void
    ) -> PublishedModel {
        PublishedModel(
            session: session, average: average, incarnation: incarnation, revision: revision,
            count: count, layout: layout,
            pin: pin.paced(ReaderPace(since: start, byteCount: byteCount, drop: drop)),
            header: header)
    }

    /// The header of the same file with other element types: as long at every revision.
    public func header(for tensors: [TensorSpec]) -> [UInt8] {
        header.withTensors(tensors).bytes(counter: count, revision: revision)
    }
}

extension Session {
    /// The published revision of an average.
    public func model(of name: String) throws(SessionError) -> PublishedModel {
        guard let index = settings.averages.firstIndex(where: { $0.name == name }) else {
            throw .averageNotFound(average: name, known: settings.averages.map(\.name))
        }
        let result = state.withLock { state -> Result<PublishedModel, SessionError> in
            if state.isDeleted { return .failure(deletedError) }
            guard let slot = state.slots[index].current, let header = state.slots[index].header,
                let layout = state.record.layout
            else {
                let detail = detail(of: state.record.averages[index])
                return .failure(.averagingNotStarted(detail: detail))
            }
            return .success(
                PublishedModel(
                    session: self.name, average: name, incarnation: incarnation,
                    revision: state.record.averages[index].changedRevision,
                    count: state.record.averages[index].count, layout: layout,
                    pin: SlotPin(slot, of: self), header: header))
        }
        return try result.get()
    }

    private func detail(of average: SessionRecord.Average) -> String {
        guard let start = average.trigger.start else {
            return "the trigger of average \"\(average.settings.name)\" has not fired: keep "
                + "training with the trainer's own weights and go on reporting epochs"
        }
        return "averaging has started (\(start.reason)), but no model was folded yet: "
            + "upload one first"
    }
}
