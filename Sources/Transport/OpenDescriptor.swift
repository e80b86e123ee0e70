import Dispatch
import Glibc
import HTTPWire

/// A descriptor that a peer passed.
final class OpenDescriptor: PassedDescriptor {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    /// Not on the lane: the last one to close a memfd gives its pages back, which takes
    /// milliseconds for each hundred megabytes.
    deinit {
        let number = number
        DispatchQueue.global(qos: .utility).async { close(number) }
    }
}
