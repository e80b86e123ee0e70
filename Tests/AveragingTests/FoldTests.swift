import Averaging
import Tensors
import TestSupport
import Testing

private let floatTypes: [ElementType] = [.f64, .f32, .f16, .bf16]

/// One fold's input at odd places, and the memory around its result.
private struct Fold {
    var sourceType: ElementType
    var accumulator: ElementType
    var count: Int
    /// Bytes before the source, and elements before the averages.
    var sourceOffset: Int
    var averageOffset: Int
    var step: FoldStep
    var source: [UInt8]
    var current: [UInt8]

    init(
        _ sourceType: ElementType, _ accumulator: ElementType, count: Int, offset: Int,
        step: FoldStep, wild: Bool, random: inout SplitMix
    ) {
        self.sourceType = sourceType
        self.accumulator = accumulator
        self.count = count
        self.step = step
        sourceOffset = offset
        averageOffset = (offset * 5) % 16
        source = [UInt8](repeating: 0, count: offset)
        current = [UInt8](repeating: 0, count: averageOffset * accumulator.byteCount)
        for _ in 0..<count {
            source += element(sourceType, wild: wild, random: &random)
            current += element(accumulator, wild: wild, random: &random)
        }
    }

    /// The result with 64 bytes to either side, and the index that was answered.
    func run(
        _ kernels: FoldKernels, checkFinite: Bool, nonTemporal: Bool
    ) -> (bytes: [UInt8], index: Int?) {
        let skipped = averageOffset * accumulator.byteCount
        // Aligned to a line, so that each offset is tried at the same places of a line.
        let models = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        let averages = UnsafeMutableRawBufferPointer.allocate(
            byteCount: current.count, alignment: 64)
        let results = UnsafeMutableRawBufferPointer.allocate(
            byteCount: current.count + 128, alignment: 64)
        defer { [models, averages, results].forEach { $0.deallocate() } }
        models.copyBytes(from: source)
        averages.copyBytes(from: current)
        results.initializeMemory(as: UInt8.self, repeating: 0xA5)
        guard let model = models.baseAddress, let average = averages.baseAddress,
            let result = results.baseAddress
        else { preconditionFailure("no memory") }
        let index = kernels.fold(
            source: model + sourceOffset, sourceType: sourceType,
            current: step == .copy ? nil : UnsafeRawPointer(average + skipped),
            next: result + 64 + skipped, accumulator: accumulator, count: count, step: step,
            checkFinite: checkFinite, nonTemporal: nonTemporal)
        if nonTemporal { FoldKernels.fence() }
        return ([UInt8](results), index)
    }
}

/// A random element's bytes. Wild ones are any bit pattern, often a special one; tame ones are
/// finite and small enough for every result to be finite.
private func element(
    _ type: ElementType, wild: Bool, random: inout SplitMix
) -> [UInt8] {
    let value = Float(random.unit() * 4 - 2)
    let least = Double.leastNonzeroMagnitude
    let special: [Double] = [
        0, -0.0, .infinity, -.infinity, .nan, least, -least * 1e9, 1e-40, -6e-8, 1,
        .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
        Double(Float.greatestFiniteMagnitude), -Double(Float.greatestFiniteMagnitude), 65504,
        least * 3,
    ]
    let kind = wild ? random.next() % 4 : 0
    let bits = random.next()
    let chosen = kind == 1 ? special[Int(bits % 16)] : Double(value)
    switch type {
    case .f64: return littleEndian(kind == 2 ? bits : chosen.bitPattern)
    case .f32:
        return littleEndian(kind == 2 ? UInt32(truncatingIfNeeded: bits) : Float(chosen).bitPattern)
    case .f16:
        return littleEndian(
            kind == 2 ? UInt16(truncatingIfNeeded: bits) : Float16(chosen).bitPattern)
    default:
        let high = UInt16(truncatingIfNeeded: Float(chosen).bitPattern >> 16)
        return littleEndian(kind == 2 ? UInt16(truncatingIfNeeded: bits) : high)
    }
}

private func littleEndian(_ bits: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: bits.littleEndian) { [UInt8]($0) }
}

/// Whether two results are the same bits, any NaN being as good as another.
private func same(_ one: [UInt8], _ other: [UInt8], as type: ElementType) -> Bool {
    if one == other { return true }
    func canonical(_ bytes: [UInt8]) -> [UInt64] {
        bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / type.byteCount).map { index in
                if type == .f64 {
                    let value = bytes.load(fromByteOffset: index * 8, as: Double.self)
                    return value.isNaN ? 0x7FF8 << 48 : value.bitPattern
                }
                let value = bytes.load(fromByteOffset: index * 4, as: Float.self)
                return UInt64(value.isNaN ? 0x7FC0 << 16 : value.bitPattern)
            }
        }
    }
    return canonical(one) == canonical(other)
}

private func expectAgreement(_ fold: Fold) {
    let expected = fold.run(.reference, checkFinite: true, nonTemporal: false)
    for kernels in FoldKernels.all.dropFirst() {
        for checkFinite in [false, true] {
            for nonTemporal in [false, true] {
                let result = fold.run(
                    kernels, checkFinite: checkFinite, nonTemporal: nonTemporal)
                if result.index != (checkFinite ? expected.index : nil)
                    || !same(result.bytes, expected.bytes, as: fold.accumulator)
                {
                    Issue.record(
                        """
                        \(kernels.name) \(fold.sourceType)→\(fold.accumulator) \(fold.count) \
                        elements at \(fold.sourceOffset), \(fold.step), check \(checkFinite), \
                        non-temporal \(nonTemporal)
                        """)
                }
            }
        }
    }
}

@Suite struct FoldTests {
    @Test(arguments: floatTypes, [ElementType.f32, .f64])
    func `every variant gives the reference's bits`(
        sourceType: ElementType, accumulator: ElementType
    ) {
        var random = SplitMix(seed: 1)
        for count in 0...100 {
            for offset in 0..<16 {
                let steps: [FoldStep] = [.copy, .fold(alpha: 1 / 3), .fold(alpha: random.unit())]
                expectAgreement(
                    Fold(
                        sourceType, accumulator, count: count, offset: offset,
                        step: steps[(count + offset) % 3], wild: offset % 3 != 0, random: &random))
            }
        }
        for count in [1000, 4099, 16_384] {
            for step in [FoldStep.copy, .fold(alpha: 0), .fold(alpha: 0.001), .fold(alpha: 1)] {
                for wild in [false, true] {
                    expectAgreement(
                        Fold(
                            sourceType, accumulator, count: count, offset: 3, step: step,
                            wild: wild, random: &random))
                }
            }
        }
    }

    /// Expected bits by NumPy: `a + float32(1/n) * (w - a)`, all float32. Keeping α in double gives
    /// other bits for each of these, and so does fusing the multiplication and the addition.
    @Test(
        arguments: [
            (3, 0x4002_9E6B, 0xBFB2_CA99, 0x3F65_1F60), (3, 0xBF11_5959, 0xBF92_F2E6, 0xBF42_DD80),
            (3, 0x3EF6_C18C, 0xBF09_BD0C, 0x3E11_5B54), (3, 0x3F0A_5FDB, 0xC036_2F70, 0xBF16_AA05),
            (7, 0xBF87_0F2C, 0x3FD6_12FA, 0xBF2A_5DBA), (7, 0xBE4C_98EE, 0x3E8B_0B54, 0xBE07_A46A),
            (7, 0x3F0A_5FDB, 0xC036_2F70, 0x3D68_0320),
        ] as [(Int, UInt32, UInt32, UInt32)])
    func `the weight is rounded first and nothing is fused`(
        n: Int, average: UInt32, model: UInt32, expected: UInt32
    ) {
        // Enough elements for whole blocks and a rest.
        let averages = [UInt32](repeating: average, count: 37)
        let models = [UInt32](repeating: model, count: 37)
        for kernels in FoldKernels.all {
            var results = [UInt32](repeating: 0, count: 37)
            let index = kernels.fold(
                source: models, sourceType: .f32, current: averages, next: &results,
                accumulator: .f32, count: 37, step: Rule.uniform.step(count: n), checkFinite: true,
                nonTemporal: false)
            #expect(index == nil)
            #expect(results == [UInt32](repeating: expected, count: 37), "\(kernels.name)")
        }
    }

    @Test func `denormals are kept`() {
        let least = Float.leastNonzeroMagnitude
        for kernels in FoldKernels.all {
            // (3 − 1)·½ = 1, in units of 2^-149: nothing is flushed on the way in or out.
            let averages = [Float](repeating: least, count: 20)
            let models = [Float](repeating: 3 * least, count: 20)
            var results = [Float](repeating: 0, count: 20)
            _ = kernels.fold(
                source: models, sourceType: .f32, current: averages, next: &results,
                accumulator: .f32, count: 20, step: .fold(alpha: 0.5), checkFinite: false,
                nonTemporal: false)
            #expect(results == [Float](repeating: 2 * least, count: 20), "\(kernels.name)")
        }
    }

    @Test(arguments: [ElementType.f32, .f64])
    func `the first result that is not finite is named`(accumulator: ElementType) {
        let count = 83
        for kernels in FoldKernels.all {
            for first in 0..<count {
                for bad in [Double.nan, .infinity, -.infinity] {
                    var models = [Double](repeating: 1, count: count)
                    models[first] = bad
                    models[count - 1] = .nan
                    var results = [Double](repeating: 0, count: count)
                    let index = kernels.fold(
                        source: models, sourceType: .f64, current: nil, next: &results,
                        accumulator: accumulator, count: count, step: .copy, checkFinite: true,
                        nonTemporal: first % 2 == 0)
                    #expect(index == first, "\(kernels.name)")
                }
            }
        }
    }

    @Test func `finite models whose difference overflows are found`() {
        let large = Float.greatestFiniteMagnitude
        let averages = [Float](repeating: -large, count: 40)
        var models = averages
        models[17] = large
        for kernels in FoldKernels.all {
            var results = [Float](repeating: 0, count: 40)
            let index = kernels.fold(
                source: models, sourceType: .f32, current: averages, next: &results,
                accumulator: .f32, count: 40, step: .fold(alpha: 0.5), checkFinite: true,
                nonTemporal: false)
            #expect(index == 17)
            #expect(results[16] == -large)
            #expect(results[17] == .infinity)
        }
    }

    @Test func `a double too large for a float32 average is found`() {
        let models: [Double] = [1, -3.4028235677973366e38, 1e300]
        for kernels in FoldKernels.all {
            var results = [Float](repeating: 0, count: 3)
            let index = kernels.fold(
                source: models, sourceType: .f64, current: nil, next: &results,
                accumulator: .f32, count: 3, step: .copy, checkFinite: true, nonTemporal: false)
            #expect(index == 1)
            #expect(results == [1, -.infinity, .infinity])
        }
    }

    @Test func `this processor runs the reference and more`() {
        #expect(FoldKernels.all.first?.name == FoldKernels.reference.name)
        #expect(FoldKernels.all.last?.name == FoldKernels.best.name)
        #expect(FoldKernels.all.count > 1)
    }
}
