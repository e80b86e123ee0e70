import HTTPWire
import ServiceLimits
import Sessions
import StrictJSON

/// Reads the body of an upload by reference, which says where the model lies. Used on the
/// connection's lane only.
final class ReferenceSink: BodySink {
    private let upload: Upload
    private let files: LocalFiles?
    private let limits: Limits
    private let exchange: any Exchange
    private let needsDigest: Bool
    private let document: DocumentBuffer

    /// - Parameter needsDigest: the request has an idempotency key.
    init(
        _ upload: Upload, _ document: DocumentBuffer, files: LocalFiles?, limits: Limits,
        exchange: any Exchange, needsDigest: Bool
    ) {
        self.upload = upload
        self.document = document
        self.files = files
        self.limits = limits
        self.exchange = exchange
        self.needsDigest = needsDigest
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        do throws(Refusal) { try document.append(chunk) } catch { refuse(error.problem) }
        return chunk.count
    }

    func finish() {
        do throws(Refusal) {
            upload.finish(
                reading: try reference(),
                fingerprint: needsDigest
                    ? BodyDigest.of(document.bytes, limit: limits.fingerprintBytes) : nil)
        } catch {
            refuse(error.problem)
        }
    }

    func abort(_ reason: BodyAbort) { upload.abort() }

    private func refuse(_ problem: Problem) {
        upload.abort()
        exchange.respond(problem.response())
    }

    private func reference() throws(Refusal) -> ModelReference {
        let json: JSONValue
        do {
            json = try JSONReader.read(document.bytes, maximumDepth: limits.jsonDepth)
        } catch {
            throw Refusal(ProblemKind.malformedJSON.problem(error.description))
        }
        guard let members = json.objectValue?.members, members.count == 1 else { throw unreadable }
        switch (members[0].name, members[0].value) {
        case ("path", .string(let path)):
            guard let files, !path.isEmpty, !path.utf8.contains(0) else { throw unreadable }
            return .path(path, files)
        case ("descriptor", .number(let number)):
            guard let index = number.wholeNumber, index >= 0 else { throw unreadable }
            return try descriptor(index)
        default: throw unreadable
        }
    }

    private func descriptor(_ index: Int) throws(Refusal) -> ModelReference {
        let passed = exchange.takeDescriptors()
        guard index < passed.count else {
            throw Refusal(
                ProblemKind.malformedRequest.problem(
                    "descriptor \(index) did not come with the request, \(passed.count) did: pass "
                        + "it by SCM_RIGHTS over the Unix socket, and do not pipeline the request"))
        }
        return .descriptor(passed[index].number, owner: passed[index])
    }

    private var unreadable: Refusal {
        Refusal(
            ProblemKind.malformedRequest.problem(
                "the body must be {\"path\": \"a file beneath the setting local-files\"} or "
                    + "{\"descriptor\": 0}"))
    }
}
