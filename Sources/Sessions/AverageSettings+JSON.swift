import Averaging
import StrictJSON

// The presets, rules and triggers of strategies.md, section 1, as JSON.

extension AverageSettings {
    private static let strategies = "\"polynomial_decay\", \"alpha_suffix\", \"nta\""
    private static let rules = "\"polynomial_decay\", \"ema\", \"uniform\", \"latest\""
    private static let triggers = "\"immediate\", \"alpha_suffix\", \"nta\""

    /// Reads a `strategy`, or a `rule` and a `trigger` of which one may be left out.
    init(name: String, _ members: inout SettingsMembers) throws(SessionError) {
        self.name = name
        let strategy = members.take("strategy")
        let rule = members.take("rule")
        let trigger = members.take("trigger")
        if let strategy {
            guard rule == nil, trigger == nil else {
                throw members.invalid(
                    rule == nil ? "trigger" : "rule", rule ?? trigger,
                    "either `strategy`, or `rule` and `trigger`, not both")
            }
            (self.rule, self.trigger) = try AverageSettings.preset(strategy, &members)
        } else {
            guard rule != nil || trigger != nil else {
                // A misspelt key is more likely than none.
                try members.finish(allowed: ["strategy", "rule", "trigger"])
                throw members.invalid(
                    "strategy", nil,
                    "one of \(AverageSettings.strategies); or `rule` and `trigger`")
            }
            try members.finish(allowed: ["strategy", "rule", "trigger"])
            self.rule = try AverageSettings.readRule(rule, members.path)
            self.trigger = try AverageSettings.readTrigger(trigger, members.path)
        }
    }

    private static func preset(
        _ json: JSONValue, _ members: inout SettingsMembers
    ) throws(SessionError) -> (Rule, Trigger) {
        let trigger: Trigger
        let keys: [String]
        switch json {
        case .string("polynomial_decay"): (trigger, keys) = (.immediate, [])
        case .string("alpha_suffix"):
            (trigger, keys) = (try alphaSuffix(&members), ["epochs", "alpha"])
        case .string("nta"): (trigger, keys) = (try nta(&members), ntaKeys)
        default: throw members.invalid("strategy", json, strategies)
        }
        let rule = Rule.polynomialDecay(eta: try eta(&members))
        try members.finish(allowed: ["strategy"] + keys + ["eta"])
        return (rule, trigger)
    }

    private static func readRule(_ json: JSONValue?, _ path: String) throws(SessionError) -> Rule {
        guard let json else { return .polynomialDecay(eta: 0) }
        var members = try SettingsMembers(json, path: path + "rule.")
        let name = members.take("name")
        let rule: Rule
        let keys: [String]
        switch name {
        case .string("polynomial_decay"):
            (rule, keys) = (.polynomialDecay(eta: try eta(&members)), ["eta"])
        case .string("ema"):
            (rule, keys) = (.ema(decay: try fraction("decay", default: 0.999, &members)), ["decay"])
        case .string("uniform"): (rule, keys) = (.uniform, [])
        case .string("latest"): (rule, keys) = (.latest, [])
        default: throw members.invalid("name", name, rules)
        }
        try members.finish(allowed: ["name"] + keys)
        return rule
    }

    private static func readTrigger(
        _ json: JSONValue?, _ path: String
    ) throws(SessionError) -> Trigger {
        guard let json else { return .immediate }
        var members = try SettingsMembers(json, path: path + "trigger.")
        let name = members.take("name")
        let trigger: Trigger
        let keys: [String]
        switch name {
        case .string("immediate"): (trigger, keys) = (.immediate, [])
        case .string("alpha_suffix"):
            (trigger, keys) = (try alphaSuffix(&members), ["epochs", "alpha"])
        case .string("nta"): (trigger, keys) = (try nta(&members), ntaKeys)
        default: throw members.invalid("name", name, triggers)
        }
        try members.finish(allowed: ["name"] + keys)
        return trigger
    }

    private static func eta(_ members: inout SettingsMembers) throws(SessionError) -> Double {
        try members.double(
            "eta", default: 0, allowed: "a finite number > -1", where: { $0 > -1 })
    }

    private static func epochs(_ members: inout SettingsMembers) throws(SessionError) -> Int {
        try members.integer(
            "epochs", default: nil, allowed: "an integer >= 1 (it has no default)",
            where: { $0 >= 1 })
    }

    private static func fraction(
        _ key: String, default value: Double, _ members: inout SettingsMembers
    ) throws(SessionError) -> Double {
        try members.double(
            key, default: value, allowed: "a number from 0 to 1", where: { (0...1).contains($0) })
    }

    private static func alphaSuffix(
        _ members: inout SettingsMembers
    ) throws(SessionError) -> Trigger {
        .alphaSuffix(
            epochs: try epochs(&members),
            alpha: try fraction("alpha", default: 0.75, &members))
    }

    private static let ntaKeys = ["epochs", "n", "maximize", "last_n_trigger", "fallback_alpha"]

    private static func nta(_ members: inout SettingsMembers) throws(SessionError) -> Trigger {
        .nta(
            NTATrigger(
                epochs: try epochs(&members),
                n: try members.anyInteger("n", default: 5),
                maximize: try members.bool("maximize", default: false),
                lastN: try members.bool("last_n_trigger", default: false),
                fallbackAlpha: try fraction("fallback_alpha", default: 0.05, &members)))
    }
}

extension AverageSettings {
    /// In one phrase, for the metadata of written files.
    var strategyDescription: String {
        var writer = JSONWriter()
        write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("rule")
        writer.beginObject()
        switch rule {
        case .polynomialDecay(let eta):
            writer.member("name", "polynomial_decay")
            writer.member("eta", eta)
        case .ema(let decay):
            writer.member("name", "ema")
            writer.member("decay", decay)
        case .uniform: writer.member("name", "uniform")
        case .latest: writer.member("name", "latest")
        }
        writer.endObject()
        writer.key("trigger")
        writer.beginObject()
        switch trigger {
        case .immediate: writer.member("name", "immediate")
        case .alphaSuffix(let epochs, let alpha):
            writer.member("name", "alpha_suffix")
            writer.member("epochs", epochs)
            writer.member("alpha", alpha)
        case .nta(let nta):
            writer.member("name", "nta")
            writer.member("epochs", nta.epochs)
            writer.member("n", nta.n)
            writer.member("maximize", nta.maximize)
            writer.member("last_n_trigger", nta.lastN)
            writer.member("fallback_alpha", nta.fallbackAlpha)
        }
        writer.endObject()
        writer.endObject()
    }
}
