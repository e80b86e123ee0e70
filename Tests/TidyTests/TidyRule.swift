/// One thing that every file must keep to.
struct TidyRule: Sendable {
    let name: String
    /// What to write instead.
    let advice: String
    /// The numbers of the lines that break the rule.
    let breaches: @Sendable (SourceFile) -> [Int]
    /// A file that breaks the rule, with the number of the line that does: a rule that never finds
    /// anything is no rule.
    let bad: (path: String, text: String, line: Int)
    /// A file that looks alike and is right.
    let good: (path: String, text: String)

    init(
        _ name: String, advice: String, bad: (path: String, text: String, line: Int),
        good: (path: String, text: String), breaches: @escaping @Sendable (SourceFile) -> [Int]
    ) {
        self.name = name
        self.advice = advice
        self.bad = bad
        self.good = good
        self.breaches = breaches
    }

    static let all: [TidyRule] = layers + language + shape
}
