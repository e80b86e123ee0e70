import Foundation
import TestSupport
import Testing

@testable import polyak

@Suite struct ServiceDirectoriesTests {
    private let systemd = [
        "RUNTIME_DIRECTORY": "/run/polyak", "STATE_DIRECTORY": "/var/lib/polyak:/var/lib/other",
        "HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/1",
    ]

    @Test func `systemd's directories come first`() throws {
        let found = try ServiceDirectories(Settings(), environment: systemd)
        #expect(found.runtime == "/run/polyak")
        #expect(found.data == "/var/lib/polyak")
    }

    @Test func `a given directory comes before systemd's`() throws {
        var settings = Settings()
        settings.runtimeDirectory = "/a/b/"
        settings.dataDirectory = "/c/../d"
        let found = try ServiceDirectories(settings, environment: systemd)
        #expect(found.runtime == "/a/b")
        #expect(found.data == "/d")
    }

    @Test func `without systemd, memory is preferred`() throws {
        let environment = ["HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/1"]
        func runtime(_ usable: Set<String>) throws -> String {
            try ServiceDirectories(
                Settings(), environment: environment, isUsable: usable.contains
            ).runtime
        }
        #expect(try runtime(["/dev/shm", "/run/user/1"]) == "/dev/shm/polyak-\(geteuid())")
        #expect(try runtime(["/run/user/1"]) == "/run/user/1/polyak")
        #expect(try runtime([]) == "/tmp/polyak-\(geteuid())")
    }

    @Test func `data lies where the XDG specification says`() throws {
        func data(_ environment: [String: String]) throws -> String {
            try ServiceDirectories(Settings(), environment: environment).data
        }
        #expect(try data(["HOME": "/h"]) == "/h/.local/state/polyak")
        #expect(try data(["HOME": "/h", "XDG_STATE_HOME": "/s"]) == "/s/polyak")
        #expect(try data(["HOME": "/h", "XDG_STATE_HOME": "relative"]) == "/h/.local/state/polyak")
        #expect(throws: DirectoryError.noHome) { try data([:]) }
    }

    @Test func `directories are made for their owner alone`() throws {
        let base = try TemporaryDirectory()
        try directories(base("r/s"), base("d")).create()
        for name in ["r", "r/s", "d"] {
            var found = stat()
            #expect(lstat(base(name), &found) == 0)
            #expect(found.st_mode & 0o7777 == 0o700)
        }
        // What is there already is taken.
        try directories(base("r/s"), base("d")).create()
    }

    @Test func `a link, a file, and a directory open to all are refused`() throws {
        let base = try TemporaryDirectory()
        try FileManager.default.createSymbolicLink(
            atPath: base("link"), withDestinationPath: base.path)
        try Data().write(to: URL(fileURLWithPath: base("file")))
        #expect(mkdir(base("open"), 0o700) == 0 && chmod(base("open"), 0o777) == 0)
        #expect(throws: DirectoryError.link(path: base("link"))) {
            try directories(base("link"), base.path).create()
        }
        #expect(throws: DirectoryError.notDirectory(path: base("file"))) {
            try directories(base.path, base("file")).create()
        }
        #expect(throws: DirectoryError.writableByAll(path: base("open"))) {
            try directories(base("open"), base.path).create()
        }
        #expect(
            throws: DirectoryError.cannotCreate(path: base("file/x"), reason: "Not a directory")
        ) {
            try directories(base("file/x"), base.path).create()
        }
    }

    private func directories(_ runtime: String, _ data: String) throws -> ServiceDirectories {
        var settings = Settings()
        settings.runtimeDirectory = runtime
        settings.dataDirectory = data
        return try ServiceDirectories(settings, environment: [:])
    }
}
