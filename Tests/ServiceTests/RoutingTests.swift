import HTTPWire
import ServiceLimits
import Testing

@testable import Service

@Suite struct RoutingTests {
    private let service: TestService

    init() throws {
        service = try TestService()
        service.create()
        service.upload(model(1, 2))
    }

    /// Every resource with the methods it takes (http-api.md, "Resources").
    static let resources: [(path: String, allow: String)] = [
        ("/v1/sessions", "GET, HEAD"), ("/v1/sessions/s", "GET, HEAD, PUT, DELETE"),
        ("/v1/sessions/s/parameters", "POST"), ("/v1/sessions/s/epochs", "POST"),
        ("/v1/sessions/s/averages/main", "GET, HEAD"),
        ("/v1/sessions/s/averages/main/tensors", "GET, HEAD"),
        ("/v1/sessions/s/averages/main/tensors/w", "GET, HEAD"),
        ("/v1/sessions/s/cached", "GET, HEAD, PUT, DELETE"), ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"), ("/healthz", "GET, HEAD"),
        ("/problems/not-found", "GET, HEAD"),
    ]

    @Test(arguments: resources)
    func everyOtherMethodIsRefusedWithTheOnesThereAre(path: String, allow: String) {
        let allowed = allow.split(separator: ", ").map(String.init)
        // Also when there is no such session, and whatever is wrong with the query.
        for target in [path, path.replacing("/s/", with: "/none/") + "?x=%"] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"] {
                guard !allowed.contains(method) else { continue }
                let answer = service.send(method, target)
                #expect(answer.status == 405, "\(method) \(target)")
                #expect(answer.problem == "method-not-allowed")
                #expect(answer["allow"] == allow)
            }
        }
    }

    @Test(arguments: [
        "/v1", "/v2/sessions", "/v1/session", "/v1/sessions/s/parameter",
        "/v1/sessions/s/averages", "/v1/sessions/s/averages/main/tensor/w",
        "/v1/sessions/s/averages/main/w", "/v1/sessions/s/cached/x", "/livez/", "/problems",
        "/problems/a/b", "//v1/sessions", "/v1/sessions/%zz", "/v1/sessions/s%00",
        "/v1/sessions/%ff", "/V1/sessions", "/v1/sessions/s/parameters/x",
    ])
    func otherPathsAreNotFound(path: String) {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let answer = service.send(method, path)
            #expect(answer.status == 404)
            #expect(answer.problem == "not-found", "\(path)")
        }
    }

    @Test func `the page is there for GET and HEAD, and nothing else is`() {
        for method in ["GET", "HEAD"] {
            let answer = service.send(method, "/")
            #expect(answer.status == 200)
            #expect(answer["content-type"] == "text/html; charset=utf-8")
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            #expect(service.send(method, "/").status == 404)
        }
    }

    @Test(arguments: [
        ("GET", "/v1/sessions/t", "session-not-found"),
        ("DELETE", "/v1/sessions/t", "session-not-found"),
        ("POST", "/v1/sessions/t/parameters?y=1", "session-not-found"),
        ("POST", "/v1/sessions/t/epochs?y=1", "session-not-found"),
        ("GET", "/v1/sessions/t/averages/main?y=1", "session-not-found"),
        ("GET", "/v1/sessions/t/cached?y=1", "session-not-found"),
        ("PUT", "/v1/sessions/t/cached?y=1", "session-not-found"),
        ("DELETE", "/v1/sessions/t/cached", "session-not-found"),
        ("GET", "/v1/sessions/a%2Fb", "session-not-found"),
        ("GET", "/v1/sessions/s/averages/x?y=1", "average-not-found"),
        ("GET", "/v1/sessions/s/averages/x/tensors/w", "average-not-found"),
        ("GET", "/v1/sessions/s/averages/main/tensors/v", "tensor-not-found"),
        ("GET", "/v1/sessions/s/averages/main/tensors/", "tensor-not-found"),
        ("GET", "/v1/sessions/s/averages/main/tensors?name=v", "tensor-not-found"),
        ("GET", "/v1/sessions/s/averages/main/tensors/v?dtype=F8", "tensor-not-found"),
        ("GET", "/v1/sessions/s/cached", "not-found"),
        ("DELETE", "/v1/sessions/s/cached", "not-found"), ("GET", "/problems/none", "not-found"),
    ])
    func whatIsNotThereIsNotFoundWhateverElseIsWrong(
        method: String, target: String, name: String
    ) {
        let answer = service.send(method, target)
        #expect(answer.status == 404)
        #expect(answer.problem == name)
    }

    @Test(arguments: [
        ("GET", "/v1/sessions?x=1"), ("GET", "/v1/sessions/s?x=1"),
        ("PUT", "/v1/sessions/s?x=1"), ("DELETE", "/v1/sessions/s?x=1"),
        ("POST", "/v1/sessions/s/parameters?steps=1"),
        ("POST", "/v1/sessions/s/parameters?step=1&step=2"),
        ("POST", "/v1/sessions/s/epochs?epoch=1"),
        ("GET", "/v1/sessions/s/averages/main?type=F16"),
        ("GET", "/v1/sessions/s/averages/main/tensors/w?name=w"),
        ("GET", "/v1/sessions/s/cached?step=1"), ("PUT", "/v1/sessions/s/cached?step=1"),
        ("DELETE", "/v1/sessions/s/cached?step=1"), ("GET", "/readyz?x"),
    ])
    func unknownAndRepeatedParametersAreRefused(method: String, target: String) {
        let answer = service.send(method, target)
        #expect(answer.status == 400)
        #expect(answer.problem == "unknown-parameter")
    }

    @Test(arguments: [
        "step=-1", "step=1.5", "step=", "step=%2B1", "step=9223372036854775808", "step=x",
        "trainer=", "trainer=" + String(repeating: "t", count: 129), "weight=0", "weight=-1",
        "weight=nan", "weight=inf", "weight=", "step=%zz",
    ])
    func parametersOfUploadsAreChecked(query: String) {
        let answer = service.upload(model(1, 2), query: "?" + query)
        #expect(answer.status == 400)
        #expect(answer.problem == "malformed-request")
    }

    @Test func pathsAreDecodedAndTensorNamesMayHaveSlashes() {
        #expect(service.send("GET", "/v1/%73essions/%73").status == 200)
        service.send("PUT", "/v1/sessions/t", json: #"{"rule":{"name":"latest"}}"#)
        let header = #"{"a/b c":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#
        let body = file(header, [0, 0, 128, 63])
        #expect(service.send("POST", "/v1/sessions/t/parameters", body: body).status == 200)
        for rest in [
            "/a/b%20c", "/a%2Fb%20c", "?name=a/b%20c", "?name=a%2fb%20c", "/?name=a/b%20c",
        ] {
            let answer = service.send(
                "GET", "/v1/sessions/t/averages/main/tensors" + rest,
                [("Accept", "application/octet-stream")])
            #expect(answer.body == [0, 0, 128, 63], "\(rest)")
        }
        #expect(
            service.send("GET", "/v1/sessions/t/averages/main/tensors").problem
                == "malformed-request")
    }

    @Test func theListIsInByteOrderAndInPages() {
        for name in ["b", "B", "a.1", "_"] {
            service.send("PUT", "/v1/sessions/\(name)", json: #"{"rule":{"name":"ema"}}"#)
        }
        func names(_ query: String) -> [Substring] {
            service.send("GET", "/v1/sessions" + query).text.matches(of: /"session":"([^"]*)"/)
                .map(\.output.1)
        }
        #expect(names("") == ["B", "_", "a.1", "b", "s"])
        #expect(names("?limit=2") == ["B", "_"])
        #expect(service.send("GET", "/v1/sessions?limit=2").text.hasSuffix(#""next":"_"}"#))
        #expect(names("?limit=2&after=_") == ["a.1", "b"])
        #expect(names("?after=b") == ["s"])
        #expect(service.send("GET", "/v1/sessions?limit=5").text.hasSuffix(#""next":null}"#))
        for limit in ["0", "1001", "x", "", "1.0", "%2B5"] {
            #expect(
                service.send("GET", "/v1/sessions?limit=\(limit)").problem == "malformed-request",
                "\(limit)")
        }
    }
}
