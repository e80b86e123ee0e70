import Glibc

/// One input of the fuzzer, and numbers that follow from it alone, so that a case repeats itself.
struct FuzzInput: RandomNumberGenerator {
    let bytes: [UInt8]
    private var state: UInt64

    init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        self.init(Array(UnsafeBufferPointer(start: start, count: count)))
    }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // FNV-1a.
        state = bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01B3 }
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The bytes as a connection might bring them: byte by byte, or in a few pieces. Each is an
    /// array of its own, so that reading beyond it is not reading the next one.
    mutating func pieces() -> [[UInt8]] {
        if bytes.count <= 256, next() % 4 == 0 { return bytes.map { [$0] } }
        var cuts = [0, bytes.count]
        for _ in 0...next() % 6 { cuts.append(Int.random(in: 0...bytes.count, using: &self)) }
        cuts.sort()
        return zip(cuts, cuts.dropFirst()).map { Array(bytes[$0..<$1]) }.filter { !$0.isEmpty }
    }
}

/// Ends the process, which the fuzzer takes as its find, unless the condition holds.
func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
    guard !condition else { return }
    let line = Array("broken: \(message())\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    abort()
}
