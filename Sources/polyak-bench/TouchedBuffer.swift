import CBench

/// Memory on huge pages, all of it touched, as a trainer's parameters are.
///
/// `@unchecked Sendable`: written by the thread that made it, before it is shared; then only read.
final class TouchedBuffer: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) throws(BenchError) {
        guard let memory = bench_map(count) else { throw .noMemory(bytes: count) }
        bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
    }

    deinit { bench_unmap(bytes.baseAddress, bytes.count) }
}
