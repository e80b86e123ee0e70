import Testing

@testable import polyak

@Suite struct QuantityTests {
    @Test(arguments: [
        ("0B", 0), ("500B", 500), ("8KiB", 8192), ("256MiB", 268_435_456),
        ("64GiB", 68_719_476_736), ("1TiB", 1_099_511_627_776), ("1536KiB", 1_572_864),
    ])
    func `a size is a number and a binary unit`(text: String, bytes: Int) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: [
        "", "5", "MiB", "-1B", "+1B", "1.5MiB", "1 MiB", "1MB", "1mib", "1KiBB", "0x10B", "1_000B",
        "9223372036854775808B", "8388608TiB", "١B",
    ])
    func `what is no size is refused`(text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test func `the largest size that fits is taken`() {
        #expect(Quantity.bytes("9223372036854775807B") == .max)
        #expect(Quantity.bytes("8388607TiB") == 8_388_607 << 40)
    }

    @Test(arguments: [
        ("0s", 0), ("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000),
    ])
    func `a duration is a number and a unit`(text: String, milliseconds: Int) {
        #expect(Quantity.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "10", "s", "-1s", "1.5s", "10 s", "10sec", "1d", "1h30m"])
    func `what is no duration is refused`(text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test func `a rate is a size a second`() {
        #expect(Quantity.bytesPerSecond("1MiB/s") == 1_048_576)
        #expect(Quantity.bytesPerSecond("1MiB") == nil)
        #expect(Quantity.bytesPerSecond("/s") == nil)
    }

    @Test func `a count has digits only`() {
        #expect(Quantity.count("100") == 100)
        for text in ["", "-1", "+1", "1e3", "1,000", " 1", "9223372036854775808"] {
            #expect(Quantity.count(text) == nil)
        }
    }

    @Test func `values are spelled as an operator would`() {
        #expect(Quantity.text(bytes: 0) == "0B")
        #expect(Quantity.text(bytes: 8192) == "8KiB")
        #expect(Quantity.text(bytes: 8193) == "8193B")
        #expect(Quantity.text(bytes: 1 << 30) == "1GiB")
        #expect(Quantity.text(bytesPerSecond: 500) == "500B/s")
        #expect(Quantity.text(.milliseconds(1500)) == "1500ms")
        #expect(Quantity.text(.seconds(75)) == "75s")
        #expect(Quantity.text(.seconds(60)) == "60s")
        #expect(Quantity.text(.seconds(300)) == "5m")
        #expect(Quantity.text(.seconds(7200)) == "2h")
    }
}
