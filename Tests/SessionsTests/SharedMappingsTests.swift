import Glibc
import Testing

@testable import Sessions

/// Which memfds are mapped, and how long a mapping is kept.
@Suite struct SharedMappingsTests {
    /// A memfd; Swift does not see the function that makes one.
    final class Memfd {
        let fd: Int32
        static let sealShrink: Int32 = 2
        static let sealGrow: Int32 = 4

        init(_ text: String, seals: Int32) throws {
            typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
            let symbol = try #require(dlsym(nil, "memfd_create"))
            // MFD_ALLOW_SEALING
            fd = unsafeBitCast(symbol, to: Create.self)("test", 2)
            try #require(write(fd, text, text.utf8.count) == text.utf8.count)
            // F_ADD_SEALS
            try #require(fcntl(fd, 1033, seals) == 0)
        }

        deinit { close(fd) }

        func mapping(in mappings: SharedMappings) -> SharedMapping? {
            var status = stat()
            fstat(fd, &status)
            return mappings.mapping(of: fd, status)
        }
    }

    private let mappings = SharedMappings(limit: 2)

    @Test func `only what cannot shrink is mapped`() throws {
        let sealed = try #require(Memfd("abc", seals: Memfd.sealShrink).mapping(in: mappings))
        #expect(sealed.bytes.elementsEqual("abc".utf8))
        #expect(try Memfd("abc", seals: 0).mapping(in: mappings) == nil)
        #expect(try Memfd("abc", seals: Memfd.sealGrow).mapping(in: mappings) == nil)
        #expect(try Memfd("", seals: Memfd.sealShrink).mapping(in: mappings) == nil)
    }

    @Test func `a mapping is kept from the second time on`() throws {
        let file = try Memfd("abc", seals: Memfd.sealShrink)
        weak var first = file.mapping(in: mappings)
        #expect(first == nil)
        weak var second = file.mapping(in: mappings)
        #expect(second != nil && file.mapping(in: mappings) === second)
    }

    @Test func `a file that grew is mapped anew`() throws {
        let file = try Memfd("abc", seals: Memfd.sealShrink)
        for _ in 0..<2 { _ = file.mapping(in: mappings) }
        #expect(write(file.fd, "de", 2) == 2)
        let mapping = try #require(file.mapping(in: mappings))
        #expect(mapping.bytes.elementsEqual("abcde".utf8))
    }

    @Test func `the least recently used is forgotten`() throws {
        let files = try (0..<3).map { _ in try Memfd("abc", seals: Memfd.sealShrink) }
        for file in files[..<2] { for _ in 0..<2 { _ = file.mapping(in: mappings) } }
        weak var kept = files[0].mapping(in: mappings)
        _ = files[2].mapping(in: mappings)
        #expect(kept != nil && files[0].mapping(in: mappings) === kept)
        weak var again = files[1].mapping(in: mappings)
        #expect(again == nil, "it was forgotten, so this counts as its first time")
    }

    @Test func `a mapping goes when it is idle or the session ends`() throws {
        let file = try Memfd("abc", seals: Memfd.sealShrink)
        let start = ContinuousClock.now
        for end in [
            { mappings.dropIdle(now: .now.advanced(by: SharedMappings.idleTime)) },
            { mappings.dropAll() },
        ] {
            for _ in 0..<2 { _ = file.mapping(in: mappings) }
            weak var kept = file.mapping(in: mappings)
            mappings.dropIdle(now: start)
            #expect(kept != nil)
            end()
            #expect(kept == nil)
        }
    }
}
