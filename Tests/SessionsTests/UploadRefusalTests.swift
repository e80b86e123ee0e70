import Glibc
import ServiceLimits
import TensorFormats
import Tensors
import Testing

@testable import Sessions

/// Whatever is wrong with an upload, the session stays as it was and its turn goes on.
@Suite struct UploadRefusalTests {
    private let sessions: TestSessions
    private let session: Session

    init() throws {
        var limits = Limits()
        limits.stagedAtOnceBytes = 4 * 1024 * 1024
        sessions = try TestSessions(limits)
        session = try sessions.create(UploadTests.half)
    }

    /// Expects that `work` changes nothing, and that the next upload goes well.
    private func unchanged(_ work: () throws -> Void) throws {
        let before = session.stateText
        let values = (try? session.values()) ?? []
        try work()
        #expect(session.stateText == before)
        #expect(((try? session.values()) ?? []) == values)
        let next = values.map { $0 + 2 }
        if next.isEmpty {
            _ = try session.upload(model(1, 1)).get()
        } else {
            _ = try session.upload(model([TestTensor("w", next)])).get()
            #expect(try session.values() == values.map { $0 + 1 })
        }
    }

    @Test func theFirstElementThatIsNotFiniteIsNamed() throws {
        _ = try session.upload(model(0, 0, 0)).get()
        for (body, index) in [
            (model(1, .nan, .infinity), 1), (model(1, 1, -.infinity), 2),
            // 1e39 does not fit float32.
            (model([TestTensor("w", .f64, [1e39, 1, 1])]), 0),
        ] {
            for size in [1, 7, body.count] {
                try unchanged {
                    #expect(
                        session.upload(body, chunk: size)
                            == .failure(.nonFinite(tensor: "w", index: index, average: "main")))
                }
            }
        }
    }

    @Test func anOverflowOfTheDifferenceIsNotFinite() throws {
        let largest = Float.greatestFiniteMagnitude
        _ = try session.upload(model(largest)).get()
        #expect(
            session.upload(model(-largest))
                == .failure(.nonFinite(tensor: "w", index: 0, average: "main")))
        #expect(try session.values() == [largest])
    }

    @Test func propagationIsAllowedOnRequest() throws {
        let session = try sessions.create(
            #"{"rule":{"name":"uniform"},"non_finite":"propagate"}"#, name: "p")
        _ = try session.upload(model(1, 2)).get()
        _ = try session.upload(model(.infinity, 4)).get()
        #expect(try session.values() == [.infinity, 3])
    }

    @Test func whatIsNotFiniteInAStagedBodyIsFoundWhereItIsFirst() throws {
        // Larger than one parallel piece, so that several threads look.
        var values = [Float](repeating: 0, count: 700_000)
        _ = try session.upload(model([TestTensor("w", values)])).get()
        values[300_001] = .nan
        values[600_000] = .infinity
        let body = model([TestTensor("w", values)])
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        let waiting = try session.admitted(second, length: body.count)
        second.push(body, to: waiting)
        waiting.finish(fingerprint: nil)
        holder.abort()
        #expect(
            second.result()
                == .failure(.nonFinite(tensor: "w", index: 300_001, average: "main")))
    }

    @Test func anotherLayoutIsRefused() throws {
        _ = try session.upload(model(1, 1)).get()
        for announced in [true, false] {
            try unchanged {
                #expect(
                    session.upload(model(1, 1, 1), announced: announced)
                        == .failure(
                            .layoutMismatch(tensor: "w", expected: "F32 [2]", received: "F32 [3]"))
                )
            }
        }
    }

    @Test func everyProperPrefixIsRefusedAsAWholeBody() throws {
        let body = model(3, 3)
        _ = try session.upload(model(1, 1)).get()
        for count in 0..<body.count {
            try unchanged {
                for announced in [true, false] {
                    guard
                        case .failure(.model(let error)) = session.upload(
                            Array(body[..<count]), chunk: 5, announced: announced)
                    else {
                        Issue.record("a prefix of \(count) bytes is taken")
                        return
                    }
                    #expect(error.category == .malformed)
                }
            }
        }
    }

    @Test func bytesBehindTheModelAreRefused() throws {
        _ = try session.upload(model(1, 1)).get()
        try unchanged {
            for size in [1, 1000] {
                guard
                    case .failure(.model) = session.upload(
                        model(3, 3) + [0], chunk: size, announced: false)
                else {
                    Issue.record("taken")
                    return
                }
            }
        }
    }

    @Test func aFailedFirstUploadFixesNoLayout() throws {
        let bad = model([TestTensor("other", [.nan, 1, 2])])
        try unchanged {
            guard case .failure(.nonFinite) = session.upload(bad) else {
                Issue.record("taken")
                return
            }
        }
        #expect(try session.values() == [1, 1])
    }

    @Test func aSlotThatCannotBeMadeFailsOneUploadOnly() throws {
        let path = Slot.path(in: session.directory, average: "main", number: 0)
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        guard case .failure(.storageFailed(let detail)) = session.upload(model(1)) else {
            Issue.record("taken")
            return
        }
        #expect(detail.contains("main.0.safetensors"))
        _ = try session.upload(model(1)).get()
    }
}
