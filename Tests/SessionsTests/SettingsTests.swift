import Averaging
import StrictJSON
import Testing

@testable import Sessions

@Suite struct SettingsTests {
    private func settings(_ text: String) throws -> SessionSettings {
        try SessionSettings(json(text), maximumAverages: 32)
    }

    /// The error of settings that must be refused.
    private func refusal(_ text: String) throws -> SessionError {
        let value = try JSONReader.read(
            Array(text.utf8), maximumDepth: 32, allowsNonFiniteNumbers: true)
        do throws(SessionError) {
            let settings = try SessionSettings(value, maximumAverages: 3)
            Issue.record("accepted: \(settings)")
            return .shuttingDown
        } catch {
            return error
        }
    }

    @Test(arguments: [
        (
            #"{"strategy":"polynomial_decay"}"#, Rule.polynomialDecay(eta: 0), Trigger.immediate
        ),
        (#"{"strategy":"polynomial_decay","eta":3}"#, .polynomialDecay(eta: 3), .immediate),
        (
            #"{"strategy":"alpha_suffix","epochs":10}"#, .polynomialDecay(eta: 0),
            .alphaSuffix(epochs: 10, alpha: 0.75)
        ),
        (
            #"{"strategy":"alpha_suffix","epochs":7,"alpha":1,"eta":-0.5}"#,
            .polynomialDecay(eta: -0.5), .alphaSuffix(epochs: 7, alpha: 1)
        ),
        (
            #"{"strategy":"nta","epochs":100}"#, .polynomialDecay(eta: 0),
            .nta(
                NTATrigger(epochs: 100, n: 5, maximize: false, lastN: false, fallbackAlpha: 0.05))
        ),
        (
            #"{"strategy":"nta","epochs":1,"n":-3,"maximize":true,"last_n_trigger":true,"#
                + #""fallback_alpha":0,"eta":8}"#,
            .polynomialDecay(eta: 8),
            .nta(NTATrigger(epochs: 1, n: -3, maximize: true, lastN: true, fallbackAlpha: 0))
        ),
        (#"{"rule":{"name":"ema"}}"#, .ema(decay: 0.999), .immediate),
        (#"{"rule":{"name":"ema","decay":1}}"#, .ema(decay: 1), .immediate),
        (#"{"rule":{"name":"uniform"}}"#, .uniform, .immediate),
        (
            #"{"rule":{"name":"latest"},"trigger":{"name":"immediate"}}"#, .latest, .immediate
        ),
        (
            #"{"rule":{"name":"ema","decay":0},"trigger":{"name":"nta","epochs":4,"n":0}}"#,
            .ema(decay: 0), .nta(NTATrigger(epochs: 4, n: 0))
        ),
        (
            #"{"trigger":{"name":"alpha_suffix","epochs":2,"alpha":0}}"#,
            .polynomialDecay(eta: 0), .alphaSuffix(epochs: 2, alpha: 0)
        ),
    ])
    func presetsRulesAndTriggersCombine(text: String, rule: Rule, trigger: Trigger) throws {
        let read = try settings(text)
        #expect(read.averages == [AverageSettings(name: "main", rule: rule, trigger: trigger)])
        #expect(
            (read.accumulator, read.nonFinite, read.durability) == (.auto, .refuse, .process))
        // What is written creates an equal session.
        #expect(try settings(Self.written(read)) == read)
    }

    private static func written(_ settings: SessionSettings) -> String {
        text { settings.write(to: &$0) }
    }

    @Test func theOtherSettingsAreRead() throws {
        let read = try settings(
            #"{"accumulator":"F64","non_finite":"propagate","durability":"disk","#
                + #""averages":{"b":{"strategy":"polynomial_decay"},"a.1-_":{"rule":"#
                + #"{"name":"uniform"}},"B":{"trigger":{"name":"immediate"}}}}"#)
        #expect((read.accumulator, read.nonFinite, read.durability) == (.f64, .propagate, .disk))
        // In byte order, whatever order they came in.
        #expect(read.averages.map(\.name) == ["B", "a.1-_", "b"])
        #expect(try settings(Self.written(read)) == read)
    }

    @Test func anyIntegerIsTakenForN() throws {
        for (text, n) in [("9223372036854775808", Int.max), ("-99999999999999999999", Int.min)] {
            let read = try settings(#"{"strategy":"nta","epochs":9,"n":"# + text + "}")
            #expect(read.averages[0].trigger == .nta(NTATrigger(epochs: 9, n: n)))
        }
    }

    @Test func settingsAreEqualWithDefaultsAndPresetsFilledIn() throws {
        let preset = try settings(#"{"strategy":"nta","epochs":10}"#)
        let same = [
            #"{"n":5.0,"epochs":1e1,"strategy":"nta","eta":0.0}"#,
            #"{"averages":{"main":{"rule":{"eta":0,"name":"polynomial_decay"},"#
                + #""trigger":{"epochs":10,"name":"nta"}}},"accumulator":"auto"}"#,
            #"{"trigger":{"name":"nta","epochs":10,"fallback_alpha":5e-2}}"#,
        ]
        for text in same { #expect(try settings(text) == preset, "\(text)") }
        let other = [
            #"{"strategy":"nta","epochs":11}"#,
            #"{"strategy":"nta","epochs":10,"eta":1}"#,
            #"{"strategy":"nta","epochs":10,"accumulator":"F64"}"#,
            #"{"averages":{"other":{"strategy":"nta","epochs":10}}}"#,
        ]
        for text in other { #expect(try settings(text) != preset, "\(text)") }
    }

    @Test(arguments: [
        ("[]", "the body", "an array", "object"),
        ("null", "the body", "null", "object"),
        ("{}", "strategy", "nothing", "\"nta\""),
        (#"{"strategy":"adam"}"#, "strategy", "\"adam\"", "\"alpha_suffix\""),
        (#"{"strategy":7}"#, "strategy", "7", "\"nta\""),
        (#"{"strategy":"nta"}"#, "epochs", "nothing", ">= 1"),
        (#"{"strategy":"nta","epochs":0}"#, "epochs", "0", ">= 1"),
        (#"{"strategy":"nta","epochs":1.5}"#, "epochs", "1.5", "integer"),
        (#"{"strategy":"nta","epochs":"9"}"#, "epochs", "\"9\"", "integer"),
        (#"{"strategy":"nta","epochs":1e300}"#, "epochs", "1e300", "integer"),
        (#"{"strategy":"nta","epochs":9,"n":2.5}"#, "n", "2.5", "integer"),
        (#"{"strategy":"nta","epochs":9,"n":1e30}"#, "n", "1e30", "integer"),
        (#"{"strategy":"nta","epochs":9007199254740993.5}"#, "epochs", "9007", "integer"),
        (#"{"strategy":"nta","epochs":9,"maximize":1}"#, "maximize", "1", "true or false"),
        (
            #"{"strategy":"nta","epochs":9,"last_n_trigger":null}"#, "last_n_trigger", "null",
            "true or false"
        ),
        (
            #"{"strategy":"nta","epochs":9,"fallback_alpha":1.01}"#, "fallback_alpha", "1.01",
            "from 0 to 1"
        ),
        (#"{"strategy":"nta","epochs":9,"eta":-1}"#, "eta", "-1", "> -1"),
        (#"{"strategy":"nta","epochs":9,"eta":NaN}"#, "eta", "NaN", "finite"),
        (#"{"strategy":"nta","epochs":9,"eta":1e999}"#, "eta", "1e999", "finite"),
        (#"{"strategy":"alpha_suffix","epochs":9,"alpha":-0.1}"#, "alpha", "-0.1", "0 to 1"),
        (#"{"strategy":"alpha_suffix","epochs":9,"n":5}"#, "n", "unknown", "alpha"),
        (#"{"strategy":"polynomial_decay","epochs":9}"#, "epochs", "unknown", "eta"),
        (#"{"strategy":"nta","epochs":9,"rule":{"name":"ema"}}"#, "rule", "object", "not both"),
        (
            #"{"strategy":"nta","epochs":9,"trigger":{"name":"nta"}}"#, "trigger", "object",
            "not both"
        ),
        (#"{"rule":"ema"}"#, "rule", "\"ema\"", "object"),
        (#"{"rule":{}}"#, "rule.name", "nothing", "\"ema\""),
        (#"{"rule":{"name":"mean"}}"#, "rule.name", "\"mean\"", "\"uniform\""),
        (#"{"rule":{"name":"ema","decay":1.5}}"#, "rule.decay", "1.5", "from 0 to 1"),
        (#"{"rule":{"name":"ema","eta":0}}"#, "rule.eta", "unknown", "decay"),
        (#"{"rule":{"name":"uniform"},"eta":0}"#, "eta", "unknown", "rule"),
        (#"{"trigger":{"name":"never"}}"#, "trigger.name", "\"never\"", "\"immediate\""),
        (#"{"trigger":{"name":"immediate","epochs":2}}"#, "trigger.epochs", "unknown", "name"),
        (#"{"trigger":{"name":"nta"}}"#, "trigger.epochs", "nothing", ">= 1"),
        (#"{"strategy":"nta","epochs":9,"accumulator":"F16"}"#, "accumulator", "F16", "F64"),
        (#"{"strategy":"nta","epochs":9,"non_finite":true}"#, "non_finite", "true", "refuse"),
        (#"{"strategy":"nta","epochs":9,"durability":"ram"}"#, "durability", "ram", "disk"),
        (#"{"averages":{}}"#, "averages", "object", "1 to 3"),
        (#"{"averages":[]}"#, "averages", "array", "1 to 3"),
        (#"{"averages":{"a":{},"b":{},"c":{},"d":{}}}"#, "averages", "object", "1 to 3"),
        (#"{"averages":{".a":{"rule":{"name":"ema"}}}}"#, "averages", ".a", "dot"),
        (#"{"averages":{"a":{"rule":{"name":"ema"}}},"eta":1}"#, "eta", "unknown", "averages"),
        (
            #"{"averages":{"a":{"strategy":"nta","epochs":0}}}"#, "averages.a.epochs", "0", ">= 1"
        ),
        (
            #"{"averages":{"a":{"rule":{"name":"ema","d":1}}}}"#, "averages.a.rule.d", "unknown",
            "decay"
        ),
    ])
    func invalidSettingsNameTheKeyWhatWasGivenAndWhatIsAllowed(
        text: String, key: String, given: String, allowed: String
    ) throws {
        guard case .invalidSettings(let k, let g, let a) = try refusal(text) else {
            Issue.record("refused for another reason: \(text)")
            return
        }
        #expect(k == key)
        #expect(g.contains(given), "given is \(g)")
        #expect(a.contains(allowed), "allowed is \(a)")
    }

    @Test func namesAreOneTo128CharactersThatFilesMayHave() {
        for name in ["a", "A.b_c-9", "..a".replacing("..", with: "_"), "-"] {
            #expect(ResourceName.isValid(name), "\(name)")
        }
        #expect(ResourceName.isValid(String(repeating: "x", count: 128)))
        for name in ["", ".", ".a", "a/b", "a b", "ä", "a\n", String(repeating: "x", count: 129)] {
            #expect(!ResourceName.isValid(name), "\(name)")
        }
    }
}

@Suite struct ReportTests {
    private func read(_ text: String) throws -> Result<Report, SessionError> {
        let value = try JSONReader.read(
            Array(text.utf8), maximumDepth: 32, allowsNonFiniteNumbers: true)
        return Result { () throws(SessionError) in try Report(value) }
    }

    @Test(
        arguments: [
            (#"{"epoch":3,"loss":2.31}"#, 3, 2.31), (#"{"loss":-1e-3}"#, 0, -0.001),
            (#"{"epoch":7}"#, 7, nil), (#"{"epoch":0,"loss":null}"#, 0, nil), ("{}", 0, nil),
            (#"{"epoch":4,"loss":5}"#, 4, 5),
        ] as [(String, Int, Double?)])
    func epochAndLossAreReadWithTheirDefaults(text: String, epoch: Int, loss: Double?) throws {
        #expect(try read(text) == .success(Report(epoch: epoch, loss: loss)))
    }

    @Test(arguments: [
        (#"{"epoch":-1}"#, "epoch"), (#"{"epoch":1.5}"#, "epoch"), (#"{"epoch":3.0}"#, "epoch"),
        (#"{"epoch":"1"}"#, "epoch"),
        (#"{"epoch":null}"#, "epoch"), (#"{"epoch":99999999999999999999}"#, "epoch"),
        (#"{"loss":NaN}"#, "loss"), (#"{"loss":Infinity}"#, "loss"),
        (#"{"loss":-Infinity}"#, "loss"), (#"{"loss":1e400}"#, "loss"),
        (#"{"loss":"NaN"}"#, "loss"), (#"{"loss":true}"#, "loss"), (#"{"los":1}"#, "\"los\""),
        ("[1]", "array"), ("3", "3"),
    ])
    func whatIsNoReportIsRefusedByName(text: String, name: String) throws {
        guard case .failure(.invalidReport(let detail)) = try read(text) else {
            Issue.record("not refused: \(text)")
            return
        }
        #expect(detail.contains(name), "\(detail)")
    }
}
