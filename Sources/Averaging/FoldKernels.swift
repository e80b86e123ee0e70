import CKernels
public import Tensors

/// The loops over elements: folding a model into an average, and converting between float types.
///
/// All variants give the same bits (a NaN counts as equal to any NaN): every operation is rounded
/// once, to nearest even, in the accumulator's type; nothing is fused; denormals are kept. They
/// keep no state and may be called from any thread.
public struct FoldKernels: Sendable {
    /// The variant's name, for logs and benchmarks.
    public let name: String
    /// Nil for the reference.
    private let compiled: Compiled?

    private struct Compiled: Sendable {
        let fold: polyak_fold
        let convert: polyak_convert
    }

    /// The fastest variant this processor can run.
    public static let best = all.last ?? reference

    /// Plain Swift: the definition the others are tested against.
    public static let reference = FoldKernels(name: "reference", compiled: nil)

    /// Every variant this processor can run, slowest first.
    public static var all: [FoldKernels] {
        var found = [reference]
        var kernels = polyak_kernels()
        while polyak_kernels_at(found.count - 1, &kernels) {
            found.append(
                FoldKernels(
                    name: String(cString: kernels.name),
                    compiled: Compiled(fold: kernels.fold, convert: kernels.convert)))
        }
        return found
    }

    /// Writes `next[i] = step(current[i], source[i])` for `count` elements.
    ///
    /// Each source element is first rounded to the accumulator's type, and so is α; then
    /// `d = w − a`, `p = α·d`, `a + p`, each rounded.
    ///
    /// - Parameters:
    ///   - source: elements of `sourceType`, any float type, at any alignment.
    ///   - current: the average so far, aligned for its elements; nil only for `.copy`. It may be
    ///     `next` itself.
    ///   - next: where the result goes, aligned for its elements.
    ///   - accumulator: the type of `current` and `next`: `.f32` or `.f64`.
    ///   - checkFinite: whether to look for infinities and NaNs among the results.
    ///   - nonTemporal: whether to write past the caches; `fence()` must follow before another
    ///     thread is told to read.
    /// - Returns: the index of the first result that is not finite, if asked for and there is one.
    ///   All elements are written in any case.
    public func fold(
        source: UnsafeRawPointer, sourceType: ElementType, current: UnsafeRawPointer?,
        next: UnsafeMutableRawPointer, accumulator: ElementType, count: Int, step: FoldStep,
        checkFinite: Bool, nonTemporal: Bool
    ) -> Int? {
        precondition(sourceType.isFloat && count >= 0, "only floats are averaged")
        precondition(accumulator == .f32 || accumulator == .f64, "no such accumulator")
        precondition(step == .copy || current != nil, "a fold needs a current average")
        guard let compiled else {
            referenceFold(
                source: source, sourceType: sourceType, current: current, next: next,
                accumulator: accumulator, count: count, step: step)
            return checkFinite ? firstNotFinite(next, type: accumulator, count: count) : nil
        }
        var flags = (checkFinite ? POLYAK_CHECK : 0) | (nonTemporal ? POLYAK_STREAM : 0)
        var weight = 0.0
        switch step {
        case .copy: flags |= POLYAK_COPY
        case .fold(let alpha): weight = alpha
        }
        let failed = compiled.fold(
            source, sourceType.kernelType, current, next, accumulator.kernelType, count, weight,
            UInt32(flags))
        // Where is looked up only on failure, which spares the loop a branch per element.
        return failed ? firstNotFinite(next, type: accumulator, count: count) : nil
    }

    /// Converts `count` floats of any type to any other, with one rounding to nearest even.
    ///
    /// What is too large becomes an infinity, denormals are kept, a NaN stays a NaN. Source and
    /// destination may have any alignment and must not overlap.
    public func convert(
        source: UnsafeRawPointer, sourceType: ElementType,
        destination: UnsafeMutableRawPointer, destinationType: ElementType, count: Int
    ) {
        precondition(sourceType.isFloat && destinationType.isFloat && count >= 0, "floats only")
        guard let compiled else {
            return referenceConvert(
                source: source, sourceType: sourceType, destination: destination,
                destinationType: destinationType, count: count)
        }
        compiled.convert(
            source, sourceType.kernelType, destination, destinationType.kernelType, count)
    }

    /// Orders non-temporal stores before later ones: to be called on the thread that made them,
    /// before the memory is published.
    public static func fence() {
        polyak_fence()
    }
}

extension ElementType {
    /// The type as the C kernels number it; the receiver is a float.
    fileprivate var kernelType: polyak_type {
        switch self {
        case .f64: POLYAK_F64
        case .f32: POLYAK_F32
        case .f16: POLYAK_F16
        case .bf16: POLYAK_BF16
        default: preconditionFailure("\(self) is no float type")
        }
    }
}
