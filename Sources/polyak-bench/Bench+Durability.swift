import CBench
import Foundation

extension Bench {
    /// An answer that waits for the disk, against one that does not, and against writing the same
    /// bytes past the page cache over the file of the round before, as a checkpoint does. The data
    /// directory is where temporary files go.
    func durability() throws {
        let memory = try TemporaryFolder(in: folder.path)
        let disk = try TemporaryFolder(
            in: FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path)
        let service = try Service(
            program: polyakProgram, folder: memory, dataDirectory: disk.path + "/data")
        for size in quick ? [.quick] : [ModelSize.medium, .huge] {
            try durability(size, service, copy: disk.path + "/plain")
        }
    }

    private func durability(_ size: ModelSize, _ service: Service, copy: String) throws {
        let models = try size.models(.float32)
        guard bench_write_direct(copy, models[0].file.bytes.baseAddress, 8192) == 0 else {
            report.skip("durability: no direct writes where temporary files go; set TMPDIR")
            return
        }
        let process = try Session("process-\(size.bytes)", service: service)
        let disk = try Session("disk-\(size.bytes)", service: service, durability: "disk")
        let (fast, lasting) = (try process.addTrainer(), try disk.addTrainer())
        let plain = "O_DIRECT and fdatasync"
        report.add(
            try contest(
                "upload \(size.name) F32, durability", bytes: size.bytes, rounds: rounds,
                variants: [
                    size.variant("process", models, fast.upload),
                    size.variant("disk", models, lasting.upload),
                    size.variant(plain, models) { model in
                        let bytes = model.file.bytes
                        _ = try BenchError.check(
                            "write \(copy)",
                            bench_write_direct(copy, bytes.baseAddress, bytes.count))
                    },
                ],
                comparisons: [
                    Comparison("disk", to: plain, .time(atMost: nil)),
                    Comparison("disk", to: "process", .time(atMost: nil)),
                ]))
        for session in [process, disk] { try finish(session) }
    }
}
