import ServiceLimits
import Tensors
import Testing

@testable import Sessions

/// What one upload after the other makes of an average.
@Suite struct UploadTests {
    private let sessions: TestSessions

    init() throws { sessions = try TestSessions() }

    static let uniform = #"{"rule":{"name":"uniform"}}"#
    static let half = #"{"rule":{"name":"ema","decay":0.5}}"#

    @Test func theFirstModelIsCopiedAndTheNextFoldedIn() throws {
        let session = try sessions.create(UploadTests.uniform)
        // α = 1/2, then float32(1/3): 1.5 + 0.33333334 · 2.5.
        for (model, mean, count) in [
            (model(1, -8), [1, -8], 1), (model(2, 8), [1.5, 0], 2),
            (model(4, 0), [2.3333335, 0], 3),
        ] as [([UInt8], [Float], Int)] {
            #expect(
                session.upload(model)
                    == .success(
                        #"{"session":"s","revision":\#(count),"applied":true,"averages":{"main":"#
                            + #"{"averaging_started":true,"average_counter":\#(count),"#
                            + #""applied":true}}}"#))
            #expect(try session.values() == mean)
        }
        #expect(try session.model(of: "main").count == 3)
        #expect(try session.model(of: "main").revision == 3)
    }

    /// float32 results by NumPy: `a += T(T((eta+1)/(eta+n)) * T(w - a))` with T = float32, float64.
    @Test func polynomialDecayRoundsThreeTimesInTheAccumulatorsType() throws {
        for (accumulator, bits) in [("auto", 0x3f0f_9a93), ("F64", 0x3fe1_f352_6859_b8cf)] {
            let name = "s-\(accumulator)"
            let session = try sessions.create(
                #"{"strategy":"polynomial_decay","eta":0.5,"accumulator":"\#(accumulator)"}"#,
                name: name)
            for value in [0.1, 0.7, 0.3, 0.9] {
                let tensor =
                    accumulator == "auto"
                    ? TestTensor("w", .f32, [Float(value)]) : TestTensor("w", .f64, [value])
                _ = try session.upload(model([tensor])).get()
            }
            if accumulator == "auto" {
                #expect(try session.values(as: UInt32.self) == [UInt32(bits)])
            } else {
                #expect(try session.values(as: UInt64.self) == [UInt64(bits)])
            }
        }
    }

    /// A model whose elements are split by any cut: odd sizes, two-byte types, an empty tensor.
    static func mixed(_ value: Float, half: UInt16, _ integer: Int64) -> [UInt8] {
        model([
            TestTensor("half", .f16, [half, half, half]),
            TestTensor("flag", .bool, [integer == 1 ? 1 : 0] as [UInt8]),
            TestTensor("none", .f32, [] as [Float], shape: [0]),
            TestTensor("double", .f64, [Double(value)], shape: []),
            TestTensor("w", .f32, [value, -value], shape: [1, 2]),
            TestTensor("n", .i64, [integer, -integer]),
        ])
    }

    @Test func chunksOfEverySizeGiveTheSame() throws {
        // 1 and 3 in float16.
        let first = Self.mixed(1, half: 0x3c00, 1)
        let second = Self.mixed(3, half: 0x4200, 9)
        for size in 1...first.count {
            let session = try sessions.create(Self.half, name: "s\(size)")
            let isAnnounced = size % 2 == 0
            for body in [first, second] {
                _ = try session.upload(body, chunk: size, announced: isAnnounced).get()
            }
            #expect(try session.values("half") == [2, 2, 2], "\(size)")
            #expect(try session.values("double", as: Double.self) == [2], "\(size)")
            #expect(try session.values("w") == [2, -2], "\(size)")
            // What cannot be averaged is the newest.
            #expect(try session.values("n", as: Int64.self) == [9, -9], "\(size)")
            #expect(try session.values("flag", as: UInt8.self) == [0], "\(size)")
            #expect(try session.values("none") == [], "\(size)")
        }
    }

    @Test func aModelBeyondOneStepOfMemoryIsFoldedWhole() throws {
        // More than the 64 MiB that are reserved at once, at an odd place.
        let count = (68 << 20) / 2
        let session = try sessions.create(Self.half)
        let bytes = [UInt16](repeating: 0x3c00, count: count)
        let tensors = [TestTensor("i", .i8, [5] as [Int8]), TestTensor("w", .f16, bytes)]
        _ = try session.upload(model(tensors), chunk: 1_000_003).get()
        let model = try session.model(of: "main")
        let entry = model.layout.entries[0]
        #expect(entry.model.name == "w")
        let values = model.bytes(of: entry).bindMemory(to: Float.self)
        #expect(values.count == count)
        #expect(values.allSatisfy { $0 == 1 })
        #expect(try session.values("i", as: Int8.self) == [5])
    }

    @Test func aModelWithoutElementsIsAModel() throws {
        for (name, body) in [
            ("none", model([])), ("empty", model([TestTensor("w", .f32, [] as [Float])])),
        ] {
            let session = try sessions.create(Self.half, name: name)
            for count in 1...3 {
                #expect(
                    try session.upload(body, chunk: 9 * count).get()
                        .contains(#""average_counter":\#(count),"#))
            }
            #expect(try session.model(of: "main").layout.elementCount == 0)
        }
    }

    @Test func oneUploadFeedsEveryStartedAverageFromItsOwnStart() throws {
        let session = try sessions.create(
            #"{"averages":{"now":{"rule":{"name":"uniform"}},"#
                + #""newest":{"rule":{"name":"latest"}},"#
                + #""late":{"rule":{"name":"uniform"},"trigger":"#
                + #"{"name":"alpha_suffix","epochs":2,"alpha":0.5}}}}"#)
        _ = try session.upload(model(1)).get()
        let answer = try session.upload(model(3)).get()
        #expect(
            answer
                == #"{"session":"s","revision":2,"applied":true,"averages":{"#
                + #""late":{"averaging_started":false,"average_counter":0,"applied":false},"#
                + #""newest":{"averaging_started":true,"average_counter":2,"applied":true},"#
                + #""now":{"averaging_started":true,"average_counter":2,"applied":true}}}"#)
        #expect(throws: SessionError.self) { try session.model(of: "late") }
        #expect(
            try session.report(nil, epoch: 1).get()
                == #"{"session":"s","revision":3,"averages":{"#
                + #""late":{"averaging_started":true,"started_now":true,"#
                + #""reason":"epoch 1 >= 1 = epochs 2 x (1 - alpha 0.5)"},"#
                + #""newest":{"averaging_started":true,"started_now":false,"#
                + #""reason":"averaging starts with the first upload"},"#
                + #""now":{"averaging_started":true,"started_now":false,"#
                + #""reason":"averaging starts with the first upload"}},"#
                + #""wants_parameters":true}"#)
        _ = try session.upload(model(8)).get()
        #expect(try session.values(of: "now") == [4])
        #expect(try session.values(of: "newest") == [8])
        #expect(try session.values(of: "late") == [8])
        #expect(try session.model(of: "late").count == 1)
        #expect(try session.model(of: "late").revision == 4)
    }

    @Test func beforeAnyStartNothingIsKept() throws {
        let session = try sessions.create(#"{"strategy":"nta","epochs":10}"#)
        let before = session.stateText
        for _ in 0..<2 {
            #expect(
                session.upload(model(1), step: 7, key: "k")
                    == .success(
                        #"{"session":"s","revision":0,"applied":false,"averages":{"main":"#
                            + #"{"averaging_started":false,"average_counter":0,"applied":false}}}"#)
            )
        }
        #expect(session.stateText == before)
        #expect(throws: SessionError.self) { try session.model(of: "main") }
    }

    @Test func aReportNeedsALossWhereATriggerDoes() throws {
        let session = try sessions.create(#"{"strategy":"nta","epochs":10,"n":1}"#)
        let before = session.stateText
        guard case .failure(.invalidReport(let detail)) = session.report(nil, epoch: 1) else {
            Issue.record("taken")
            return
        }
        #expect(detail.contains("main"))
        #expect(session.stateText == before)
        // Losses 2, 1, then 3 > 2, the best before the last one.
        for loss in [2.0, 1] { _ = try session.report(loss).get() }
        #expect(try session.report(3).get().contains(#""started_now":true"#))
    }

    @Test func oldSlotsAreReusedAndReadersOfOldRevisionsKeepTheirs() throws {
        let session = try sessions.create(#"{"rule":{"name":"latest"}}"#)
        for value in 0..<20 { _ = try session.upload(model(Float(value))).get() }
        #expect(try session.slotCount() == 2)
        var held: [PublishedModel] = []
        for value in 20..<23 {
            _ = try session.upload(model(Float(value))).get()
            held.append(try session.model(of: "main"))
        }
        for value in 23..<40 { _ = try session.upload(model(Float(value))).get() }
        // Three that readers hold, the published one and the spare one.
        #expect(try session.slotCount() == 5)
        for (model, value) in zip(held, [20, 21, 22] as [Float]) {
            let bytes = model.bytes(of: model.layout.entries[0])
            #expect(bytes.load(as: Float.self) == value)
            #expect(model.revision == Int(value) + 1)
        }
        held = []
        for _ in 0..<2 { session.discardSurplus() }
        #expect(try session.slotCount() == 2)
        _ = try session.upload(model(40)).get()
        #expect(try session.values() == [40])
        #expect(try session.slotCount() == 2)
    }
}
