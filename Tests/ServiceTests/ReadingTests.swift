import HTTPWire
import ServiceLimits
import Testing

@testable import Service

/// Reading averages: forms, conditions, ranges.
@Suite struct ReadingTests {
    private let service: TestService
    private let path = "/v1/sessions/s/averages/main"

    /// Stored in the order d (F64), h, w (F32), n (I16).
    private static let mixed = file(
        #"{"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"#
            + #""n":{"dtype":"I16","shape":[1],"data_offsets":[6,8]},"#
            + #""w":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},"#
            + #""d":{"dtype":"F64","shape":[],"data_offsets":[16,24]}}"#,
        // 1, 1.5, -2; 7; 0.1, 65520; 1 + 2^-30.
        [0x00, 0x3c, 0x00, 0x3e, 0x00, 0xc0, 7, 0] + [0xcd, 0xcc, 0xcc, 0x3d, 0, 0xf0, 0x7f, 0x47]
            + [0, 0, 0x40, 0, 0, 0, 0xf0, 0x3f])

    /// What the data section is as each type, by hand (F16: 0.1 is 0x2e66 and 65520 is too large;
    /// BF16: 0.1 is 0x3dcd, 65520 is 0x4780).
    private static let forms: [(dtype: String, types: String, data: [UInt8])] = [
        (
            "stored", "F64 F32 F32 I16",
            [0, 0, 0x40, 0, 0, 0, 0xf0, 0x3f]
                + [0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]
                + [0xcd, 0xcc, 0xcc, 0x3d, 0, 0xf0, 0x7f, 0x47] + [7, 0]
        ),
        (
            "model", "F64 F16 F32 I16",
            [0, 0, 0x40, 0, 0, 0, 0xf0, 0x3f] + [0x00, 0x3c, 0x00, 0x3e, 0x00, 0xc0]
                + [0xcd, 0xcc, 0xcc, 0x3d, 0, 0xf0, 0x7f, 0x47] + [7, 0]
        ),
        (
            "F16", "F16 F16 F16 I16",
            [0x00, 0x3c] + [0x00, 0x3c, 0x00, 0x3e, 0x00, 0xc0] + [0x66, 0x2e, 0x00, 0x7c] + [7, 0]
        ),
        (
            "BF16", "BF16 BF16 BF16 I16",
            [0x80, 0x3f] + [0x80, 0x3f, 0xc0, 0x3f, 0x00, 0xc0] + [0xcd, 0x3d, 0x80, 0x47] + [7, 0]
        ),
        (
            "F32", "F32 F32 F32 I16",
            [0, 0, 0x80, 0x3f] + [0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]
                + [0xcd, 0xcc, 0xcc, 0x3d, 0, 0xf0, 0x7f, 0x47] + [7, 0]
        ),
        (
            "F64", "F64 F64 F64 I16",
            [0, 0, 0x40, 0, 0, 0, 0xf0, 0x3f]
                + [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]
                + [0, 0, 0, 0, 0, 0, 0, 0xc0]
                + [0, 0, 0, 0xa0, 0x99, 0x99, 0xb9, 0x3f, 0, 0, 0, 0, 0, 0xfe, 0xef, 0x40] + [7, 0]
        ),
    ]

    init() throws {
        service = try TestService()
        service.create(#"{"rule":{"name":"latest"}}"#)
        service.upload(Self.mixed)
    }

    private func get(_ query: String = "", _ fields: [(String, String)] = []) -> Answer {
        service.send("GET", path + query, fields)
    }

    @Test(arguments: forms)
    func everyTypeIsAValidFileOfTheRightNumbers(
        dtype: String, types: String, data: [UInt8]
    ) throws {
        let answer = get("?dtype=\(dtype)")
        #expect(answer.status == 200)
        #expect(answer["content-type"] == "application/vnd.safetensors")
        #expect(answer["polyak-revision"] == "1")
        #expect(answer["polyak-average-counter"] == "1")
        #expect(answer.announced == answer.body.count)
        let length = answer.body[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect((length + 8) % 64 == 0)
        #expect(Array(answer.body[(8 + length)...]) == data)
        let header = String(decoding: answer.body[8..<8 + length], as: UTF8.self)
        let found = header.matches(of: /"dtype":"([A-Z0-9]+)"/).map { String($0.output.1) }
        #expect(found.joined(separator: " ") == types)
        #expect(answer.isSlice == (dtype == "stored"))
        // As long at a later revision.
        service.upload(Self.mixed)
        #expect(get("?dtype=\(dtype)").body.count == answer.body.count)
    }

    @Test(arguments: forms)
    func everyRangeIsASliceOfTheWhole(dtype: String, types: String, data: [UInt8]) throws {
        let whole = get("?dtype=\(dtype)").body
        let start = whole.count - data.count - 3
        for first in start..<whole.count {
            for last in first..<whole.count {
                let part = get("?dtype=\(dtype)", [("Range", "bytes=\(first)-\(last)")])
                guard part.status == 206, part.body.elementsEqual(whole[first...last]),
                    part["content-range"] == "bytes \(first)-\(last)/\(whole.count)"
                else {
                    Issue.record("\(first)-\(last) is \(part.status)")
                    return
                }
            }
        }
        #expect(get("?dtype=\(dtype)", [("Range", "bytes=0-7")]).body == Array(whole[..<8]))
        #expect(get("?dtype=\(dtype)", [("Range", "bytes=-5")]).body == Array(whole.suffix(5)))
        let beyond = get("?dtype=\(dtype)", [("Range", "bytes=\(whole.count)-")])
        #expect(beyond.status == 416 && beyond.problem == "range-not-satisfiable")
        #expect(beyond["content-range"] == "bytes */\(whole.count)")
        for ignored in ["bytes=0-1,3-4", "lines=0-1", "bytes=2-1", "0-1"] {
            #expect(get("?dtype=\(dtype)", [("Range", ignored)]).status == 200, "\(ignored)")
        }
    }

    @Test func tensorsAreNPYOrRaw() {
        let npy = service.send("GET", path + "/tensors/h?dtype=F16")
        #expect(npy["content-type"] == "application/x-npy")
        // numpy.save of float16 [1, 1.5, -2].
        let header = "{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }"
        #expect(Array(npy.body[..<10]) == [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0])
        #expect(npy.body.count == 128 + 6)
        #expect(String(decoding: npy.body[10..<10 + header.count], as: UTF8.self) == header)
        #expect(Array(npy.body[128...]) == [0x00, 0x3c, 0x00, 0x3e, 0x00, 0xc0])
        let raw = service.send(
            "GET", path + "/tensors/n?dtype=F64", [("Accept", "application/octet-stream")])
        #expect(raw["content-type"] == "application/octet-stream")
        #expect(raw.body == [7, 0])
        #expect(raw.isSlice)
        let part = service.send(
            "GET", path + "/tensors/w",
            [("Accept", "application/octet-stream"), ("Range", "bytes=3-4")])
        #expect(part.status == 206 && part.body == [0x3d, 0])
    }

    @Test func formsAreNegotiated() {
        for accept in ["*/*", "application/*", "application/vnd.safetensors;q=0.1, text/html"] {
            #expect(get("", [("Accept", accept)]).status == 200, "\(accept)")
        }
        for (query, accept) in [
            ("", "text/html"), ("", "application/vnd.safetensors;q=0, application/json"),
            ("?format=npz", "*/*"), ("?format=json", "*/*"), ("?format=", "*/*"),
            ("?dtype=F8", "*/*"), ("?dtype=I16", "*/*"), ("?dtype=f16", "*/*"),
        ] {
            let answer = get(query, [("Accept", accept)])
            #expect(answer.status == 406 && answer.problem == "not-acceptable", "\(query)")
        }
        // What the query says goes before what the header says.
        #expect(get("?format=safetensors", [("Accept", "text/html")]).status == 200)
        #expect(get()["vary"] == "Accept, Accept-Encoding")
        let html = service.send("GET", path + "/tensors/w", [("Accept", "text/html")])
        #expect(html.problem == "not-acceptable")
    }

    @Test func conditionsHoldPerForm() throws {
        let tag = try #require(get()["etag"])
        #expect(tag.hasSuffix(#"-1-safetensors-stored""#))
        let half = try #require(get("?dtype=F16")["etag"])
        #expect(half != tag)
        #expect(get("", [("If-None-Match", tag)]).status == 304)
        #expect(get("", [("If-None-Match", "\"x\", W/\(tag)")]).status == 304)
        #expect(get("", [("If-None-Match", half)]).status == 200)
        #expect(get("", [("If-Match", tag)]).status == 200)
        let failed = get("", [("If-Match", half)])
        #expect(failed.status == 412 && failed.problem == "precondition-failed")
        let range = ("Range", "bytes=0-0")
        #expect(get("", [range, ("If-Range", tag)]).status == 206)
        #expect(get("", [range, ("If-Range", half)]).status == 200)
        #expect(get("", [range, ("If-None-Match", tag)]).status == 304)
        service.upload(Self.mixed)
        #expect(get("", [("If-None-Match", tag)]).status == 200)
        #expect(get("", [("If-Match", tag)]).status == 412)
        // A report is a revision, but changes no average.
        let before = get()["etag"]
        service.send("POST", "/v1/sessions/s/epochs", json: "{}")
        #expect(get()["etag"] == before)
        let head = service.send("HEAD", path, [range])
        #expect(head.status == 200 && head.announced == get().body.count)
        #expect(head["accept-ranges"] == "bytes")
    }

    @Test func notStartedSaysWhich() {
        service.send(
            "PUT", "/v1/sessions/t",
            json: #"{"averages":{"now":{"rule":{"name":"uniform"}},"later":"#
                + #"{"strategy":"alpha_suffix","epochs":9}}}"#)
        func detail(_ average: String) -> String {
            let answer = service.send("GET", "/v1/sessions/t/averages/\(average)")
            #expect(answer.status == 404 && answer.problem == "averaging-not-started")
            return answer.text
        }
        #expect(detail("later").contains("trigger"))
        #expect(detail("now").contains("no model was folded yet"))
        #expect(
            service.send("GET", "/v1/sessions/t/averages/now?x=1").problem == "unknown-parameter")
    }
}
