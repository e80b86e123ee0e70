import HTTPWire
import ServiceLimits
import Testing

@testable import Service

/// What the heads and bodies of uploads, reports and creations are answered with.
@Suite struct UploadRequestTests {
    private let service: TestService
    private let path = "/v1/sessions/s/parameters"

    init() throws {
        var limits = Limits()
        limits.modelBytes = 1000
        limits.jsonBytes = 100
        limits.fingerprintBytes = 100
        service = try TestService(limits)
    }

    @Test func theFirstErrorInTheOrderOfTheApiIsAnswered() {
        service.create()
        service.upload(model(1), query: "?step=5")
        // Each request has every error from its own on.
        let zip = ("Content-Type", "application/zip")
        let stale = "?step=4"
        let large = BodyLength.known(1001)
        let bad = model(.nan, 1)
        for (target, fields, length, status, name) in [
            ("/v1/sessions/t/parameters?x=1", [zip], large, 404, "session-not-found"),
            (path + "?x=1&step=4", [zip], large, 400, "unknown-parameter"),
            (path + stale, [zip], large, 415, "unsupported-format"),
            (path + stale, [], large, 413, "too-large"),
            (path + stale, [], .unknown, 409, "stale-step"),
            (path, [], .unknown, 422, "layout-mismatch"),
        ] as [(String, [(String, String)], BodyLength, Int, String)] {
            let answer = service.send("POST", target, fields, body: bad, length: length)
            #expect(answer.status == status, "\(target)")
            #expect(answer.problem == name)
        }
        #expect(service.send("POST", path, body: [9]).problem == "malformed-model")
        #expect(service.upload(model(.nan)).problem == "non-finite")
    }

    @Test func aModelThatIsNotNeededIsNotAskedFor() {
        service.create(#"{"strategy":"alpha_suffix","epochs":10}"#)
        let exchange = FakeExchange()
        let sink = service.begin("POST", path, length: .known(900), expects: true, exchange)
        #expect(sink == nil)
        #expect(exchange.answer?.status == 200)
        #expect(exchange.answer?.text.contains(#""applied":false"#) == true)
        // Without Expect it is read and dropped first, whatever it is; errors in the head come.
        #expect(service.send("POST", path, body: [1, 2]).text.contains(#""applied":false"#))
        let early = FakeExchange()
        let dropping = service.begin("POST", path, length: .known(900), early)
        #expect(dropping != nil && early.answer == nil)
        dropping?.finish()
        #expect(early.answer?.status == 200)
        #expect(service.send("POST", path + "?step=x", body: [1]).status == 400)
    }

    @Test func typesThatAreReadAreTaken() {
        service.create()
        for type in [
            "application/vnd.safetensors", "Application/Octet-Stream; x=y", nil,
            "application/x-www-form-urlencoded",
        ] {
            let fields = type.map { [("Content-Type", $0)] } ?? []
            let answer = service.send("POST", path, fields, body: model(1))
            #expect(answer.status == 200, "\(type ?? "none")")
        }
        for type in ["application/json", "text/plain", "", "application/vnd.numpy.npz"] {
            let answer = service.send("POST", path, [("Content-Type", type)], body: model(1))
            #expect(answer.problem == "unsupported-format", "\(type)")
        }
        for coding in ["br", "identity, compress", "gzip, gzip", "gzip;q=1"] {
            let answer = service.send("POST", path, [("Content-Encoding", coding)], body: [])
            #expect(answer.problem == "unsupported-format", "\(coding)")
            #expect(answer["accept-encoding"] == "gzip, deflate")
        }
        let plain = [("Content-Encoding", "identity")]
        #expect(service.send("POST", path, plain, body: model(1)).status == 200)
    }

    @Test func formatsThatAreNotReadAreKnownByTheirFirstBytes() {
        service.create()
        for bytes: [UInt8] in [
            [0x50, 0x4b, 3, 4, 1, 1, 1, 1, 9], [0x80, 2, 0x63, 1, 1, 1, 1, 1],
            Array(#"{"w": [1, 2]}"#.utf8),
        ] {
            let answer = service.upload(bytes)
            #expect(answer.status == 415)
            #expect(answer.problem == "unsupported-format")
            #expect(answer.text.contains("safetensors"))
        }
        // The turn is free again.
        #expect(service.upload(model(1)).status == 200)
    }

    @Test func bodiesHaveALengthAndALimit() {
        service.create()
        for (target, type) in [
            (path, ""), ("/v1/sessions/s/epochs", ""), ("/v1/sessions/s/cached", "PUT"),
        ] {
            let method = type.isEmpty ? "POST" : type
            #expect(service.send(method, target).problem == "length-required")
            let long = [UInt8](repeating: 0x20, count: 1001)
            let known = service.send(method, target, body: long)
            #expect(known.problem == "too-large")
            #expect(known.text.contains(#""limit":"#))
        }
        let spaces = [UInt8](repeating: 0x20, count: 1001)
        for target in ["/v1/sessions/s/epochs", "/v1/sessions/s/cached", "/v1/sessions/t"] {
            let method = target.hasSuffix("epochs") ? "POST" : "PUT"
            let answer = service.send(method, target, body: spaces, length: .unknown, chunk: 60)
            #expect(answer.problem == "too-large", "\(target)")
        }
        let header = #"{"w":{"dtype":"F32","shape":[300],"data_offsets":[0,1200]}}"#
        let large = service.send("POST", path, body: file(header, []), length: .unknown)
        #expect(large.problem == "too-large")
        #expect(large.text.contains(#""limit":1000"#))
    }

    @Test func creationIsAnsweredByWhatThereIs() {
        let settings = #"{"strategy":"alpha_suffix","epochs":10}"#
        let first = service.send("PUT", "/v1/sessions/s", json: settings)
        #expect(first.status == 201)
        #expect(first["location"] == "/v1/sessions/s")
        let same = service.send(
            "PUT", "/v1/sessions/s",
            json: #"{"epochs":10.0,"alpha":0.75,"strategy":"alpha_suffix"}"#)
        #expect(same.status == 200)
        #expect(same.text == first.text)
        #expect(service.send("GET", "/v1/sessions/s").text == first.text)
        let other = service.send(
            "PUT", "/v1/sessions/s", json: #"{"strategy":"alpha_suffix","epochs":11}"#)
        #expect(other.status == 409 && other.problem == "session-exists")
        for body in [nil, [], Array("{}".utf8)] as [[UInt8]?] {
            #expect(service.send("PUT", "/v1/sessions/t", body: body).problem == "invalid-settings")
        }
        for json in ["{", "{}{}", #"{"a":1,"a":1}"#, "\u{feff}{}", "[1,]"] {
            let answer = service.send("PUT", "/v1/sessions/t", json: json)
            #expect(answer.status == 400 && answer.problem == "malformed-json", "\(json)")
        }
        for name in [".a", "a%20b", "a%2Fb", "%C3%A4", String(repeating: "a", count: 129)] {
            #expect(
                service.send("PUT", "/v1/sessions/\(name)", json: settings).problem
                    == "invalid-settings", "\(name)")
        }
        #expect(service.send("DELETE", "/v1/sessions/s").status == 204)
        #expect(service.send("DELETE", "/v1/sessions/s").problem == "session-not-found")
    }

    @Test func reportsAreTakenOrRefused() {
        service.create(#"{"strategy":"nta","epochs":100,"n":1}"#)
        let path = "/v1/sessions/s/epochs"
        for (json, name) in [
            (#"{"epoch":1}"#, "invalid-report"), (#"{"loss":NaN}"#, "invalid-report"),
            (#"{"loss":1e999}"#, "invalid-report"), ("[]", "invalid-report"),
            ("", "malformed-json"), ("{", "malformed-json"),
        ] {
            #expect(service.send("POST", path, json: json).problem == name, "\(json)")
        }
        #expect(
            service.send("POST", path, json: #"{"epoch":1,"loss":2.5}"#).text
                == #"{"session":"s","revision":1,"averages":{"main":{"averaging_started":false,"#
                + #""started_now":false,"reason":null}},"wants_parameters":false}"#)
    }

    @Test func anIdempotencyKeyStandsForOneRequest() {
        service.create()
        let key = [("Idempotency-Key", "k")]
        func send(_ query: String, _ body: [UInt8], _ length: BodyLength? = nil) -> Answer {
            service.send("POST", path + query, key, body: body, length: length)
        }
        let first = send("?trainer=a&weight=1", model(1))
        #expect(first.status == 200)
        // The order of the query and the framing make no other request.
        #expect(send("?weight=1&trainer=a", model(1), .unknown).text == first.text)
        for answer in [
            send("?trainer=b&weight=1", model(1)), send("?trainer=a&weight=1", model(2)),
            send("?trainer=a&weight=1", model(1, 1)),
            service.send(
                "POST", path + "?trainer=a&weight=1",
                key + [("Content-Type", "application/octet-stream")], body: model(1)),
            service.send("POST", "/v1/sessions/s/epochs", key, json: #"{"loss":1}"#),
        ] {
            #expect(answer.status == 422)
            #expect(answer.problem == "idempotency-key-reused")
        }
        for bad in ["", "a b", "ä", String(repeating: "k", count: 256)] {
            let answer = service.send("POST", path, [("Idempotency-Key", bad)], body: model(1))
            #expect(answer.problem == "malformed-request", "\(bad)")
        }
        let twice = service.send("POST", path, key + [("idempotency-key", "l")], body: model(1))
        #expect(twice.problem == "malformed-request")
    }

    @Test func aLargeBodyUnderAKeyIsToldApartByItsLength() {
        service.create()
        let key = [("Idempotency-Key", "k")]
        // 58 header bytes and 60 of data are more than the 100 that are hashed.
        let first = file(
            #"{"w":{"dtype":"U8","shape":[60],"data_offsets":[0,60]}}"#,
            [UInt8](repeating: 1, count: 60))
        var other = first
        other[other.count - 1] = 2
        let answer = service.send("POST", path, key, body: first)
        #expect(answer.status == 200)
        #expect(service.send("POST", path, key, body: other).text == answer.text)
        #expect(service.send("POST", path, key, body: other, length: .unknown).text == answer.text)
        #expect(
            service.send("POST", path, key, body: other + [0]).problem == "idempotency-key-reused")
    }

    @Test func aRepeatedStepIsAnsweredAsADuplicate() {
        service.create()
        let first = service.upload(model(1), query: "?step=7&trainer=a")
        let again = service.upload([1], query: "?step=7&trainer=a")
        #expect(again.status == 200)
        #expect(again.text == first.text.dropLast() + #","duplicate":true}"#)
        let stale = service.upload(model(1), query: "?step=6&trainer=a")
        #expect(stale.status == 409 && stale.problem == "stale-step")
        #expect(stale.text.contains(#""last_step":7"#))
    }

    @Test func cachedWeightsAreKeptPerTrainer() {
        service.create()
        let path = "/v1/sessions/s/cached"
        let type = [("Content-Type", "application/x-thing")]
        #expect(service.send("PUT", path, type, body: [1, 2, 3]).status == 201)
        #expect(service.send("PUT", path + "?trainer=b", body: []).status == 201)
        #expect(service.send("PUT", path, type, body: [4], length: .unknown).status == 200)
        let kept = service.send("GET", path + "?trainer=default")
        #expect(kept.status == 200 && kept.body == [4])
        #expect(kept["content-type"] == "application/x-thing")
        let empty = service.send("GET", path + "?trainer=b")
        #expect(empty.status == 200 && empty.body == [])
        #expect(empty["content-type"] == "application/octet-stream")
        #expect(service.send("DELETE", path).status == 204)
        #expect(service.send("GET", path).problem == "not-found")
        #expect(service.send("GET", path + "?trainer=b").status == 200)
    }
}
