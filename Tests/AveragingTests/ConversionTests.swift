import Averaging
import Tensors
import TestSupport
import Testing

/// A 16-bit float format, by its definition (IEEE 754-2019 section 3.4).
private struct Format: Sendable, CustomTestStringConvertible {
    let type: ElementType
    let fractionBits: Int
    let bias: Int

    var testDescription: String { type.rawValue }
    /// The bits of infinity: an exponent of all ones.
    var infinity: UInt16 { (0x7FFF >> fractionBits) << fractionBits }

    /// The value of positive bits below `infinity`; at it, the power of two that would follow.
    func value(_ bits: UInt16) -> Double {
        let exponent = Int(bits) >> fractionBits
        let fraction = Int(bits) & ((1 << fractionBits) - 1)
        let significand = exponent == 0 ? fraction : fraction + (1 << fractionBits)
        return Double(significand) * power(max(exponent, 1) - bias - fractionBits)
    }

    private func power(_ exponent: Int) -> Double {
        Double(bitPattern: UInt64(exponent + 1023) << 52)
    }
}

private let half = Format(type: .f16, fractionBits: 10, bias: 15)
private let brain = Format(type: .bf16, fractionBits: 7, bias: 127)

private func convert<From: BitwiseCopyable, To: BitwiseCopyable>(
    _ values: [From], _ sourceType: ElementType, to destinationType: ElementType,
    _ zero: To, _ kernels: FoldKernels
) -> [To] {
    var results = [To](repeating: zero, count: values.count)
    kernels.convert(
        source: values, sourceType: sourceType, destination: &results,
        destinationType: destinationType, count: values.count)
    return results
}

@Suite struct ConversionTests {
    @Test(arguments: [half, brain])
    fileprivate func `all 65,536 inputs widen exactly`(format: Format) {
        let inputs = (0...UInt16.max).map { $0 }
        for kernels in FoldKernels.all {
            let floats = convert(inputs, format.type, to: .f32, Float(0), kernels)
            let doubles = convert(inputs, format.type, to: .f64, 0.0, kernels)
            var folded = [Float](repeating: 0, count: inputs.count)
            _ = kernels.fold(
                source: inputs, sourceType: format.type, current: nil, next: &folded,
                accumulator: .f32, count: inputs.count, step: .copy, checkFinite: false,
                nonTemporal: false)
            var wrong = 0
            for bits in inputs {
                let results = [
                    Double(floats[Int(bits)]), doubles[Int(bits)], Double(folded[Int(bits)]),
                ]
                let magnitude = bits & 0x7FFF
                guard magnitude <= format.infinity else {
                    wrong += results.allSatisfy(\.isNaN) ? 0 : 1
                    continue
                }
                let size = magnitude == format.infinity ? .infinity : format.value(magnitude)
                let expected = Double(sign: bits >> 15 == 1 ? .minus : .plus, magnitude: size)
                let equal = results.allSatisfy { $0.bitPattern == expected.bitPattern }
                wrong += equal ? 0 : 1
            }
            #expect(wrong == 0, "\(kernels.name)")
        }
    }

    /// Between each two neighbours: what is nearer to one goes there, the middle to the even one.
    /// Rounding by way of float32 would lose what sets a double apart from the middle.
    @Test(arguments: [half, brain])
    fileprivate func `every boundary rounds once, to nearest even`(format: Format) {
        var doubles: [Double] = []
        var expected: [UInt16] = []
        for low in 0..<format.infinity {
            let middle = (format.value(low) + format.value(low + 1)) / 2
            let even = low % 2 == 0 ? low : low + 1
            let samples = [
                (format.value(low), low), (middle.nextDown, low), (middle, even),
                (middle.nextUp, low + 1),
            ]
            for (value, bits) in samples {
                doubles += [value, -value]
                expected += [bits, bits | 0x8000]
            }
        }
        // What is exact as a float; neighbours in float32 are farther apart than in float64.
        let exact = doubles.indices.filter { Double(Float(doubles[$0])) == doubles[$0] }
        var floats = exact.map { Float(doubles[$0]) }
        var expectedOfFloats = exact.map { expected[$0] }
        for low in 0..<format.infinity {
            let middle = Float((format.value(low) + format.value(low + 1)) / 2)
            floats += [middle.nextDown, middle.nextUp]
            expectedOfFloats += [low, low + 1]
        }
        #expect(exact.count >= 4 * Int(format.infinity))
        for kernels in FoldKernels.all {
            let fromDoubles = convert(doubles, .f64, to: format.type, UInt16(0), kernels)
            #expect(fromDoubles == expected, "\(kernels.name)")
            let fromFloats = convert(floats, .f32, to: format.type, UInt16(0), kernels)
            #expect(fromFloats == expectedOfFloats, "\(kernels.name)")
        }
    }

    @Test(arguments: [half, brain])
    fileprivate func `the very large, the very small and NaN`(format: Format) {
        let values: [Double] = [
            .infinity, -.infinity, 1e300, -.greatestFiniteMagnitude, .leastNonzeroMagnitude,
            -.leastNonzeroMagnitude, 1e-60, 0, -0.0,
            3.4028236e38, 0x1p128, .nan, -.nan, Double(nan: 1, signaling: true),
            Double(nan: 1 << 20, signaling: false),
        ]
        let infinity = format.infinity
        let expected: [UInt16] = [
            infinity, infinity | 0x8000, infinity, infinity | 0x8000, 0, 0x8000, 0, 0, 0x8000,
            infinity, infinity,
        ]
        // NaNs whose payload lies in bits that are cut off must not become infinities.
        let floats: [UInt32] = [0x7F80_0001, 0xFF80_0001, 0x7FC0_0000, 0x7FFF_FFFF, 0xFFFF_FFFF]
        for kernels in FoldKernels.all {
            let results = convert(values, .f64, to: format.type, UInt16(0), kernels)
            #expect(Array(results.prefix(expected.count)) == expected, "\(kernels.name)")
            let nans =
                results.dropFirst(expected.count)
                + convert(floats, .f32, to: format.type, UInt16(0), kernels)
            let quiet: UInt16 = 1 << (format.fractionBits - 1)
            #expect(
                nans.allSatisfy { $0 & 0x7FFF > infinity && $0 & quiet != 0 }, "\(kernels.name)")
        }
    }

    @Test func `doubles narrow to float32 once`() {
        let values: [Double] = [
            1 + 0x1p-24, (1 + 0x1p-24).nextUp, 1 + 0x3p-24, 0x1p-150, (0x1p-150).nextUp, 0x1p-127,
            3.4028235677973366e38, (3.4028235677973366e38).nextDown, -1e300,
        ]
        let least = Float.leastNonzeroMagnitude
        let expected: [Float] = [
            1, 1 + 0x1p-23, 1 + 0x1p-22, 0, least, 0x1p-127, .infinity,
            .greatestFiniteMagnitude, -.infinity,
        ]
        for kernels in FoldKernels.all {
            #expect(convert(values, .f64, to: .f32, Float(0), kernels) == expected)
        }
    }

    @Test func `every pair of types agrees with the reference at any length and place`() {
        let types: [ElementType] = [.f64, .f32, .f16, .bf16]
        var random = SplitMix(seed: 7)
        let source = (0..<1200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for from in types {
            for to in types {
                for count in 0...100 {
                    let place = count % 16
                    func run(_ kernels: FoldKernels) -> [UInt8] {
                        var results = [UInt8](repeating: 0xA5, count: 1200)
                        source.withUnsafeBytes { source in
                            results.withUnsafeMutableBytes { results in
                                kernels.convert(
                                    source: source.baseAddress! + place, sourceType: from,
                                    destination: results.baseAddress! + place * 3 % 16,
                                    destinationType: to, count: count)
                                canonicalise(
                                    results.baseAddress! + place * 3 % 16, type: to, count: count)
                            }
                        }
                        return results
                    }
                    let expected = run(.reference)
                    for kernels in FoldKernels.all {
                        #expect(run(kernels) == expected, "\(kernels.name) \(from) \(to) \(count)")
                    }
                }
            }
        }
    }
}

/// Makes every NaN the same.
private func canonicalise(_ elements: UnsafeMutableRawPointer, type: ElementType, count: Int) {
    func replace<T: FixedWidthInteger>(_ nan: T, above infinity: T) {
        for index in 0..<count {
            let place = elements + index * type.byteCount
            if place.loadUnaligned(as: T.self) & T.max > infinity {
                place.storeBytes(of: nan, as: T.self)
            }
        }
    }
    switch type {
    case .f64: replace(Int64(0x7FF8) << 48, above: Int64(0x7FF0) << 48)
    case .f32: replace(Int32(0x7FC0) << 16, above: Int32(0x7F80) << 16)
    case .f16: replace(Int16(0x7E00), above: 0x7C00)
    default: replace(Int16(0x7FC0), above: 0x7F80)
    }
}

extension Double {
    fileprivate init(sign: FloatingPointSign, magnitude: Double) {
        self = sign == .minus ? -magnitude : magnitude
    }
}
