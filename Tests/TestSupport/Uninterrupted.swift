import Glibc

/// Makes a system call until no signal interrupts it: a socket whose waits are limited gives up
/// with `EINTR` also when the process was stopped and goes on (signal(7)).
public func uninterrupted<Count: BinaryInteger>(_ call: () -> Count) -> Count {
    while true {
        let count = call()
        if count >= 0 || errno != EINTR { return count }
    }
}
