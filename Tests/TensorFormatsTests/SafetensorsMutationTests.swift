import TensorFormats
import Tensors
import TestSupport
import Testing

/// Damaged bodies are refused, or read as what they then say: never a crash, never a hole.
@Suite struct SafetensorsMutationTests {
    /// What must hold of any header that is accepted.
    func expectSound(_ model: DecodedModel, body: [UInt8]) {
        var position = 0
        for (index, entry) in model.header.tensors.enumerated() {
            #expect(entry.byteOffset == position)
            let product = entry.spec.shape.reduce(1, *)
            #expect(entry.spec.elementCount == product)
            #expect(model.data[index].count == product * entry.spec.elementType.byteCount)
            position += model.data[index].count
        }
        #expect(model.header.bytes.count + position == body.count)
        #expect(Array(model.data.joined()) == Array(body[model.header.bytes.count...]))
        let names = Set(model.header.tensors.map(\.spec.name))
        #expect(names.count == model.header.tensors.count)
    }

    @Test func `each byte of the header changed in turn`() {
        let fixture = SafetensorsFixtures.mixed
        let replacements = Array("\"{}[],:0129- \\.eE+x\u{0}\u{7F}".utf8) + [0x80, 0xC3, 0xFF]
        for position in 0..<(fixture.count - 86) {
            for replacement in replacements where fixture[position] != replacement {
                var body = fixture
                body[position] = replacement
                if let model = try? decode(body) { expectSound(model, body: body) }
            }
        }
    }

    @Test func `bytes of the header removed, doubled and swapped at random`() {
        let fixture = SafetensorsFixtures.mixed
        var numbers = SplitMix(seed: 20_240_229)
        for _ in 0..<5_000 {
            var json = Array(fixture[8..<(fixture.count - 86)])
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                let position = Int.random(in: 0..<json.count, using: &numbers)
                switch Int.random(in: 0..<4, using: &numbers) {
                case 0: json.remove(at: position)
                case 1: json.insert(json[position], at: position)
                case 2: json.swapAt(position, Int.random(in: 0..<json.count, using: &numbers))
                default: json[position] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
                }
            }
            let body = body(json, data: 86)
            if let model = try? decode(
                body, cuts: [Int.random(in: 0...body.count, using: &numbers)])
            {
                expectSound(model, body: body)
            }
        }
    }

    @Test func `random bytes are refused`() {
        var numbers = SplitMix(seed: 7)
        for _ in 0..<2_000 {
            let count = Int.random(in: 0...200, using: &numbers)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            #expect(throws: ModelError.self) { try decode(noise) }
            #expect(throws: ModelError.self) { try decode(body(noise, data: 16)) }
        }
    }
}
