import Dispatch
import Glibc
import HTTPWire
import Synchronization
import TestSupport
import Testing

/// An exchange without a connection: its lane is a queue that the test runs; its answer is kept.
final class FakeExchange: Exchange {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var answer: Answer?
        var resumes = 0
        var cancellation: (@Sendable () -> Void)?
    }

    private let state = Guarded(State())
    private let responseResumes = Atomic<Int>(0)
    private let arrival = DispatchSemaphore(value: 0)

    func respond(_ response: Response) {
        // Read at once: only the answer's pins keep the bytes.
        let answer = Answer(response) { self.responseResumes.exchange(0, ordering: .relaxed) > 0 }
        state.withLock { $0.answer = $0.answer ?? answer }
        arrival.signal()
    }

    func resumeBody() {
        state.withLock { $0.resumes += 1 }
        arrival.signal()
    }

    func resumeResponse() { responseResumes.add(1, ordering: .relaxed) }

    func failResponse() {}

    func onCancel(_ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.cancellation = work }
    }

    /// The client goes, as the wire tells it.
    func cancel() {
        let work = state.withLock { state in
            defer { state.cancellation = nil }
            return state.answer == nil ? state.cancellation : nil
        }
        work?()
    }

    func onLane(_ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.work.append(work) }
        arrival.signal()
    }

    /// The answer so far.
    var answer: Answer? { state.withLock { $0.answer } }

    private var resumes: Int { state.withLock { $0.resumes } }

    /// Runs the lane until `condition` holds.
    func runLane(until condition: () -> Bool) {
        while true {
            while let work = takeWork() { work() }
            if condition() { return }
            guard arrival.wait(timeout: .now() + .seconds(60)) == .success else {
                Issue.record("nothing happened for 60 s")
                return
            }
        }
    }

    /// Waits for the answer.
    func answered() -> Answer {
        runLane(until: { answer != nil })
        return answer ?? Answer(Response(status: 599))
    }

    private func takeWork() -> (@Sendable () -> Void)? {
        state.withLock { $0.work.isEmpty ? nil : $0.work.removeFirst() }
    }

    /// Pushes a whole body as the wire does, unless the answer comes before its end.
    func push(_ body: [UInt8], to sink: any BodySink, chunk: Int = .max) {
        body.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count, answer == nil {
                let end = position + min(chunk, bytes.count - position)
                let seen = resumes
                position += sink.receive(UnsafeRawBufferPointer(rebasing: bytes[position..<end]))
                if position < end { runLane(until: { resumes > seen || answer != nil }) }
            }
        }
        if answer == nil { sink.finish() }
    }
}

/// An answer with its whole body.
struct Answer: Sendable {
    var status: Int
    var fields: [(name: String, value: String)]
    var body: [UInt8]
    /// The body's length as announced; nil when it is not known before.
    var announced: Int?
    /// The body is a range of a file.
    var isSlice = false

    /// - Parameter resumed: whether the response was resumed since it was asked last.
    init(_ response: Response, resumed: () -> Bool = { false }) {
        status = response.status
        fields = response.fields
        body = []
        switch response.body {
        case .empty: announced = 0
        case .bytes(let bytes):
            announced = bytes.count
            body = bytes
        case .slice(let slice):
            announced = slice.count
            isSlice = true
            body = Answer.read(slice)
        case .stream(let length, let source):
            announced = length
            body = Answer.read(source, resumed)
        }
    }

    private static func read(_ slice: FileSlice) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: slice.count)
        let count = pread(slice.fileDescriptor, &bytes, slice.count, off_t(slice.offset))
        #expect(count == slice.count)
        if let mapping = slice.mapping {
            let mapped = UnsafeRawBufferPointer(
                start: mapping.pointer + slice.offset, count: slice.count)
            #expect(mapped.elementsEqual(bytes))
        }
        return bytes
    }

    private static func read(_ source: any BodySource, _ resumed: () -> Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            // Small pieces, so that tensors are cut.
            switch source.produce(upTo: 5, into: &bytes) {
            case .bytes: break
            // What codes as it goes asks to go on, after the others' turn.
            case .wait where resumed(): break
            case .slice(let slice): bytes += read(slice)
            case .end: return bytes
            case .wait, .fail:
                Issue.record("a model's bytes are there")
                return bytes
            }
        }
    }

    subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The name of the problem that the answer is; nil when it is none.
    var problem: String? {
        guard self["content-type"] == "application/problem+json",
            let start = text.firstRange(of: #""type":"/problems/"#)?.upperBound,
            let end = text[start...].firstIndex(of: "\"")
        else { return nil }
        return String(text[start..<end])
    }
}
