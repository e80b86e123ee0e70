import Tensors

/// `FoldKernels.fold` one element at a time.
func referenceFold(
    source: UnsafeRawPointer, sourceType: ElementType, current: UnsafeRawPointer?,
    next: UnsafeMutableRawPointer, accumulator: ElementType, count: Int, step: FoldStep
) {
    for index in 0..<count {
        // Every float type widens to Double exactly, so what follows is the only rounding.
        let element = loadElement(source, sourceType, index)
        if accumulator == .f64 {
            let average = current.map { $0.load(fromByteOffset: index * 8, as: Double.self) }
            let result = folded(element, into: average, step: step) { $0 }
            next.storeBytes(of: result, toByteOffset: index * 8, as: Double.self)
        } else {
            let average = current.map { $0.load(fromByteOffset: index * 4, as: Float.self) }
            let result = folded(Float(element), into: average, step: step) { Float($0) }
            next.storeBytes(of: result, toByteOffset: index * 4, as: Float.self)
        }
    }
}

/// `a + α·(w − a)` in the type of `w`, each operation rounded by itself.
private func folded<T: BinaryFloatingPoint>(
    _ model: T, into average: T?, step: FoldStep, round: (Double) -> T
) -> T {
    guard case .fold(let alpha) = step, let average else { return model }
    let difference = model - average
    let part = round(alpha) * difference
    return average + part
}

/// `FoldKernels.convert` one element at a time.
func referenceConvert(
    source: UnsafeRawPointer, sourceType: ElementType, destination: UnsafeMutableRawPointer,
    destinationType: ElementType, count: Int
) {
    for index in 0..<count {
        let value = loadElement(source, sourceType, index)
        storeElement(value, destination, destinationType, index)
    }
}

/// The index of the first infinity or NaN among `count` accumulators.
func firstNotFinite(
    _ elements: UnsafeMutableRawPointer, type: ElementType, count: Int
) -> Int? {
    (0..<count).first { !loadElement(elements, type, $0).isFinite }
}

/// A float element at any alignment, as a Double, which is exact.
private func loadElement(
    _ source: UnsafeRawPointer, _ type: ElementType, _ index: Int
) -> Double {
    let place = source + index * type.byteCount
    switch type {
    case .f64: return place.loadUnaligned(as: Double.self)
    case .f32: return Double(place.loadUnaligned(as: Float.self))
    case .f16: return Double(Float16(bitPattern: place.loadUnaligned(as: UInt16.self)))
    case .bf16:
        return Double(Float(bitPattern: UInt32(place.loadUnaligned(as: UInt16.self)) << 16))
    default: preconditionFailure("\(type) is no float type")
    }
}

/// Stores `value` at any alignment, rounded once.
private func storeElement(
    _ value: Double, _ destination: UnsafeMutableRawPointer, _ type: ElementType, _ index: Int
) {
    let place = destination + index * type.byteCount
    switch type {
    case .f64: place.storeBytes(of: value, as: Double.self)
    case .f32: place.storeBytes(of: Float(value), as: Float.self)
    case .f16: place.storeBytes(of: Float16(value).bitPattern, as: UInt16.self)
    case .bf16: place.storeBytes(of: bfloat16(value), as: UInt16.self)
    default: preconditionFailure("\(type) is no float type")
    }
}

/// The bits of `value` as bfloat16: 8 significant bits, exponents as in Float.
private func bfloat16(_ value: Double) -> UInt16 {
    guard value.isFinite else {
        return UInt16(truncatingIfNeeded: Float(value).bitPattern >> 16) | (value.isNaN ? 0x40 : 0)
    }
    // The distance of neighbours around `value`; below 2^-126 they stay 2^-133 apart.
    let exponent = value.isZero ? -126 : max(Int(value.exponent), -126)
    let spacing = Double(sign: .plus, exponent: exponent - 7, significand: 1)
    let rounded = (value / spacing).rounded(.toNearestOrEven) * spacing
    // Now exact as a Float, or, from 2^128 on, an infinity.
    return UInt16(truncatingIfNeeded: Float(rounded).bitPattern >> 16)
}
