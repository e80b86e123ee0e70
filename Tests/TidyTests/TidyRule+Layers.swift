extension TidyRule {
    /// Which modules, or declarations of the system's, each module may import: arrows point
    /// downward only, and the wire and the averaging know neither Foundation nor sockets.
    private static let imports: [String: Set<String>] = [
        "StrictJSON": [],
        "ServiceLimits": [],
        "Tensors": [],
        "Averaging": ["Tensors", "CKernels", "Synchronization"],
        "TensorFormats": ["Tensors", "StrictJSON"],
        "SecretFiles": ["Glibc"],
        "Storage": ["CPlatform", "CChecksum", "Glibc"],
        "HTTPWire": ["ServiceLimits", "CNGHTTP2", "CZlib", "Synchronization", "Glibc.time"],
        "Transport": [
            "HTTPWire", "ServiceLimits", "SecretFiles", "CPlatform", "COpenSSL", "Logging",
            "Synchronization", "Dispatch", "Glibc",
        ],
        "Sessions": [
            "Averaging", "TensorFormats", "Tensors", "StrictJSON", "ServiceLimits", "Storage",
            "CPlatform", "Logging", "Synchronization", "Dispatch", "Glibc",
        ],
        "Service": [
            "HTTPWire", "Sessions", "Storage", "Averaging", "TensorFormats", "Tensors",
            "StrictJSON", "ServiceLimits", "COpenSSL", "Logging", "Synchronization", "Dispatch",
        ],
        "polyak": [
            "Transport", "Service", "Sessions", "Storage", "ServiceLimits", "SecretFiles",
            "HTTPWire", "ArgumentParser", "Logging", "Yams", "Foundation",
        ],
        "polyak-bench": [
            "CBench", "COpenSSL", "ArgumentParser", "Synchronization", "Foundation", "Glibc",
        ],
    ]

    static let layers = [
        TidyRule(
            "a module imports only what lies below it",
            advice: """
                pass what is needed as a plain value or a closure from above, or move the code to \
                the module that may import it; a new arrow goes into this table and Package.swift
                """,
            bad: ("Sources/HTTPWire/Head.swift", "import ServiceLimits\nimport Foundation", 2),
            good: (
                "Sources/HTTPWire/Head.swift", "public import ServiceLimits\n// import Foundation"
            )
        ) { file in
            guard let module = file.module, file.isSwift else { return [] }
            let allowed = imports[module] ?? []
            return file.linesOfCode { line in
                guard let name = imported(line) else { return false }
                let module = name.split(separator: ".").first.map(String.init) ?? name
                return !allowed.contains(name) && !allowed.contains(module)
            }
        },
        TidyRule(
            "work in parallel never runs on a lane",
            advice: "give the work to a Dispatch queue and come back by onLane",
            bad: (
                "Sources/Transport/Lane.swift", "DispatchQueue.concurrentPerform(iterations: 2) {",
                1
            ),
            good: (
                "Sources/Sessions/Fold.swift", "DispatchQueue.concurrentPerform(iterations: 2) {"
            )
        ) { file in
            guard file.module == "Transport" else { return [] }
            return file.linesOfCode { $0.contains("concurrentPerform") }
        },
    ]

    /// What a line imports: a module, or one declaration of it (`Glibc.time`).
    private static func imported(_ line: String) -> String? {
        var words = line.split(separator: " ").map(String.init)
        while let first = words.first, first != "import" {
            let mayPrecede =
                first.hasPrefix("@")
                || ["public", "package", "internal", "fileprivate", "private"].contains(first)
            guard mayPrecede else { return nil }
            words.removeFirst()
        }
        guard words.count >= 2 else { return nil }
        let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        return kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
    }
}
