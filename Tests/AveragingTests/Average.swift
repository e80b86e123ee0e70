import Averaging
import Tensors

/// A running average of models of `T`, driven through the interface under test.
struct Average<T: Accumulating> {
    private(set) var values: [T]
    private(set) var models = 0
    private let kernels: FoldKernels

    init(count: Int, kernels: FoldKernels = .best) {
        values = [T](repeating: 0, count: count)
        self.kernels = kernels
    }

    mutating func fold(_ model: [T], _ rule: Rule) {
        precondition(model.count == values.count)
        models += 1
        let step = rule.step(count: models)
        let count = model.count
        model.withUnsafeBytes { source in
            values.withUnsafeMutableBytes { average in
                guard let model = source.baseAddress, let place = average.baseAddress else {
                    return
                }
                let bad = kernels.fold(
                    source: model, sourceType: T.elementType, current: place, next: place,
                    accumulator: T.elementType, count: count, step: step, checkFinite: true,
                    nonTemporal: false)
                precondition(bad == nil)
            }
        }
    }
}

/// The types averages are kept in.
protocol Accumulating: BinaryFloatingPoint {
    static var elementType: ElementType { get }
}

extension Float: Accumulating {
    static var elementType: ElementType { .f32 }
}

extension Double: Accumulating {
    static var elementType: ElementType { .f64 }
}
