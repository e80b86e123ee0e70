import CBench
import Foundation

/// Where a program lies, in PATH or where Debian keeps servers; nil when it is not installed.
func findProgram(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    return (path.split(separator: ":").map(String.init) + ["/usr/sbin"])
        .map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
}

/// A server that is not ours, listening on a port of 127.0.0.1.
final class Peer {
    let port: Int
    /// Where nginx speaks HTTP/2.
    let http2Port: Int
    private let process: ChildProcess

    private init(
        _ name: String, folder: TemporaryFolder, command: (Int, Int) throws -> [String]
    ) throws {
        let port = Int(try BenchError.check("find a port", bench_free_port()))
        let http2Port = Int(try BenchError.check("find a port", bench_free_port()))
        self.port = port
        self.http2Port = http2Port
        process = try ChildProcess(try command(port, http2Port), log: "\(folder.path)/\(name).log")
        _ = try process.awaitReady { _ in try? Connection(port: port).open() }
    }

    /// nginx with two workers: `/livez`, files of `root` by sendfile, and PUT into it.
    static func nginx(root: String, folder: TemporaryFolder) throws -> Peer? {
        guard let program = findProgram("nginx") else { return nil }
        return try Peer("nginx", folder: folder) { port, http2Port in
            let file = folder.path + "/nginx.conf"
            let text = configuration(
                port: port, http2Port: http2Port, root: root, folder: folder.path)
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            return [program, "-e", "stderr", "-p", folder.path, "-c", file]
        }
    }

    private static func configuration(
        port: Int, http2Port: Int, root: String, folder: String
    ) -> String {
        """
        daemon off;
        worker_processes 2;
        pid \(folder)/nginx.pid;
        \(geteuid() == 0 ? "user root;" : "")
        events { worker_connections 4096; }
        http {
            access_log off;
            sendfile on;
            tcp_nopush on;
            keepalive_requests 1000000000;
            http2_max_concurrent_streams 256;
            client_max_body_size 0;
            client_body_temp_path \(folder)/client;
            proxy_temp_path \(folder)/proxy;
            fastcgi_temp_path \(folder)/fastcgi;
            uwsgi_temp_path \(folder)/uwsgi;
            scgi_temp_path \(folder)/scgi;
            server {
                listen 127.0.0.1:\(port);
                listen 127.0.0.1:\(http2Port) http2;
                location = /livez { return 200 "ok"; }
                location / { root \(root); dav_methods PUT; }
            }
        }
        """
    }

    /// redis without persistence.
    static func redis(folder: TemporaryFolder) throws -> Peer? {
        guard let program = findProgram("redis-server") else { return nil }
        return try Peer("redis", folder: folder) { port, _ in
            [
                program, "--port", String(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", folder.path,
            ]
        }
    }

    /// One of the Python servers beside this package's tests.
    static func python(
        _ script: String, _ options: [String], interpreter: String, largestBody: Int,
        folder: TemporaryFolder
    ) throws -> Peer? {
        guard access(interpreter, X_OK) == 0, access(script, R_OK) == 0 else { return nil }
        let name = URL(fileURLWithPath: script).deletingPathExtension().lastPathComponent
        return try Peer(name, folder: folder) { port, _ in
            [interpreter, script, String(port), String(largestBody)] + options
        }
    }
}

/// The floor: drops every body, answers GET with one file by sendfile.
final class Floor {
    let port: Int
    private let process: ChildProcess

    init(
        program: String, file: String, busyMicroseconds: Int, folder: TemporaryFolder
    ) throws {
        process = try ChildProcess(
            [
                program, "floor-server", "--file", file, "--busy-microseconds",
                String(busyMicroseconds),
            ], log: folder.path + "/floor.log")
        port = try process.awaitReady { listeningPort($0.output) }
    }
}
