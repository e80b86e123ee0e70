import Foundation
import Testing

/// A fused multiplication and addition rounds once where the definition rounds twice. Tests run
/// unoptimised code, so the kernels are compiled here as for a release and their assembly read.
@Suite struct FusedInstructionTests {
    private static let kernels = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/CKernels")
    private static let clang = ProcessInfo.processInfo.environment["PATH", default: ""]
        .split(separator: ":").map { "\($0)/clang" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(
        .enabled(if: clang != nil, "clang, which the toolchain brings, is not on the path"),
        arguments: ["baseline", "avx2", "avx512"],
        ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"])
    func `no kernel multiplies and adds in one instruction`(file: String, target: String) throws {
        let assembly = try Self.compile(file, for: target)
        let isEmpty = target.hasPrefix("aarch64") && file != "baseline"
        let multiplication = target.hasPrefix("aarch64") ? "fmul" : "mulpd"
        #expect(assembly.contains(multiplication) != isEmpty, "the kernels are not there")
        let fused = assembly.split(separator: "\n").filter { line in
            ["fmadd", "fmsub", "fnmadd", "fnmsub", "fmla", "fmls"].contains { line.contains($0) }
        }
        #expect(fused.isEmpty)
    }

    private static func compile(_ file: String, for target: String) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: clang ?? "clang")
        // Freestanding: the kernels need no C library, so none for the target is looked for.
        process.arguments = [
            "-O2", "-ffreestanding", "--target=\(target)", "-I",
            kernels.appending(path: "include").path, "-S", "-o", "-",
            kernels.appending(path: "\(file).c").path,
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return String(decoding: bytes, as: UTF8.self)
    }
}
