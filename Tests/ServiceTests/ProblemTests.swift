import ServiceLimits
import Testing

@testable import Service

@Suite struct ProblemTests {
    /// http-api.md, "Errors".
    static let table: [(Int, [String])] = [
        (400, ["malformed-request", "malformed-model", "malformed-json", "malformed-encoding"]),
        (400, ["unknown-parameter"]),
        (401, ["unauthenticated"]), (403, ["forbidden"]),
        (404, ["session-not-found", "average-not-found", "tensor-not-found"]),
        (404, ["averaging-not-started", "not-found"]), (405, ["method-not-allowed"]),
        (406, ["not-acceptable"]), (408, ["request-timeout"]),
        (409, ["session-exists", "stale-step", "in-progress"]), (411, ["length-required"]),
        (412, ["precondition-failed"]), (413, ["too-large"]), (414, ["uri-too-long"]),
        (415, ["unsupported-format"]), (416, ["range-not-satisfiable"]),
        (417, ["expectation-failed"]), (422, ["invalid-settings", "invalid-report"]),
        (422, ["layout-mismatch", "non-finite", "idempotency-key-reused"]),
        (429, ["too-many-uploads", "quota-exceeded"]), (431, ["headers-too-large"]),
        (500, ["internal-error"]), (501, ["not-implemented"]),
        (503, ["shutting-down", "overloaded", "session-read-only", "session-damaged"]),
        (505, ["version-not-supported"]), (507, ["insufficient-storage"]),
    ]

    @Test(arguments: table)
    func everyNameOfTheTableIsThereWithItsStatus(status: Int, names: [String]) throws {
        for name in names {
            let kind = try #require(ProblemKind.all.first { $0.name == name }, "\(name)")
            #expect(kind.status == status, "\(name)")
        }
    }

    @Test func everyProblemIsExplained() throws {
        let service = try TestService()
        for kind in ProblemKind.all {
            let answer = service.send("GET", "/problems/\(kind.name)")
            #expect(answer.status == 200)
            #expect(answer["content-type"] == "text/plain; charset=utf-8")
            #expect(answer.text.contains(kind.name))
            #expect(answer.text.contains("\(kind.status)"))
            #expect(answer.text.contains(kind.explanation) && kind.explanation.count > 12)
        }
        #expect(ProblemKind.all.map(\.name).sorted() == Self.table.flatMap(\.1).sorted())
        #expect(Set(ProblemKind.all.map(\.title)).count == ProblemKind.all.count)
    }

    @Test func aProblemIsWhatRFC9457Says() throws {
        let answer = try TestService().send(
            "PUT", "/v1/sessions/s", json: #"{"strategy":"nta","epochs":"1\n"}"#)
        #expect(answer.status == 422)
        #expect(answer["content-type"] == "application/problem+json")
        #expect(
            answer.text
                == #"{"type":"/problems/invalid-settings","#
                + #""title":"The session's settings are invalid","status":422,"#
                + #""detail":"epochs: given \"1\u000A\"; allowed is an integer >= 1 "#
                + #"(it has no default)","key":"epochs","given":"\"1\u000A\"","#
                + #""allowed":"an integer >= 1 (it has no default)"}"#)
    }

    @Test func readinessFailsFromTheShutdownOnAndLivenessDoesNot() throws {
        let service = try TestService()
        service.create()
        service.upload(model(1))
        for path in ["/livez", "/readyz", "/readyz?verbose", "/healthz"] {
            let answer = service.send("GET", path)
            #expect(answer.status == 200)
            #expect(answer.text.hasSuffix("ok\n"))
        }
        service.service.beginShutdown()
        for (method, target) in [
            ("GET", "/readyz"), ("GET", "/healthz"), ("PUT", "/v1/sessions/t"),
            ("POST", "/v1/sessions/s/parameters"), ("POST", "/v1/sessions/s/epochs"),
            ("PUT", "/v1/sessions/s/cached"),
        ] {
            let answer = service.send(method, target, json: #"{"rule":{"name":"ema"}}"#)
            #expect(answer.status == 503)
            #expect(answer.problem == "shutting-down")
            #expect(answer["retry-after"] != nil)
        }
        #expect(service.send("GET", "/livez").status == 200)
        #expect(service.send("GET", "/v1/sessions/s/averages/main").status == 200)
    }
}
