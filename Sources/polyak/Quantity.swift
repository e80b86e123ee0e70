/// Sizes and times as people write them: a whole number and a unit, without a space.
enum Quantity {
    private static let sizes: [(suffix: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    private static let times: [(suffix: String, milliseconds: Int)] = [
        ("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ]

    /// `256MiB` is 268,435,456. Nil without a unit, or beyond an `Int`.
    static func bytes(_ text: String) -> Int? {
        value(of: text, in: sizes.map { ($0.suffix, $0.bytes) })
    }

    /// `1MiB/s` is 1,048,576 a second.
    static func bytesPerSecond(_ text: String) -> Int? {
        text.hasSuffix("/s") ? bytes(String(text.dropLast(2))) : nil
    }

    /// `1500ms`, `10s`, `5m`, `2h`.
    static func duration(_ text: String) -> Duration? {
        value(of: text, in: times.map { ($0.suffix, $0.milliseconds) }).map(Duration.milliseconds)
    }

    /// Digits only: no sign, no fraction, no separators.
    static func count(_ text: String) -> Int? {
        text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } ? Int(text) : nil
    }

    /// The shortest exact spelling: the largest unit that divides the value.
    static func text(bytes: Int) -> String {
        for (suffix, unit) in sizes where bytes != 0 && bytes.isMultiple(of: unit) {
            return "\(bytes / unit)\(suffix)"
        }
        return "\(bytes)B"
    }

    static func text(bytesPerSecond: Int) -> String {
        text(bytes: bytesPerSecond) + "/s"
    }

    /// The longest unit that divides the duration; minutes and hours only from two of them, so that
    /// a minute reads `60s`.
    static func text(_ duration: Duration) -> String {
        let milliseconds = Int(duration / .milliseconds(1))
        guard milliseconds.isMultiple(of: 1000) else { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        if seconds >= 7200, seconds.isMultiple(of: 3600) { return "\(seconds / 3600)h" }
        if seconds >= 120, seconds.isMultiple(of: 60) { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    private static func value(of text: String, in units: [(suffix: String, scale: Int)]) -> Int? {
        for unit in units where text.hasSuffix(unit.suffix) {
            let digits = String(text.dropLast(unit.suffix.count))
            guard !digits.isEmpty, let number = count(digits) else { continue }
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.scale)
            return overflow ? nil : product
        }
        return nil
    }
}
