// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A Swift target of this package; every one is compiled with the same settings.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "polyak",
    products: [
        .executable(name: "polyak", targets: ["polyak"]),
        .executable(name: "polyak-bench", targets: ["polyak-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CPlatform"),
        .target(name: "CBench", dependencies: ["COpenSSL"]),
        .target(name: "CKernels"),
        .target(name: "CChecksum"),
        module("ServiceLimits"),
        module("SecretFiles"),
        module("StrictJSON"),
        module("Tensors"),
        module("Averaging", ["Tensors", "CKernels"]),
        module("TensorFormats", ["Tensors", "StrictJSON"]),
        module("Storage", ["CPlatform", "CChecksum"]),
        module("HTTPWire", ["ServiceLimits", "CNGHTTP2", "CZlib"]),
        module(
            "Transport",
            ["HTTPWire", "ServiceLimits", "SecretFiles", "CPlatform", "COpenSSL", log]),
        module(
            "Sessions",
            [
                "Averaging", "TensorFormats", "Tensors", "StrictJSON", "ServiceLimits", "Storage",
                "CPlatform", log,
            ]),
        module(
            "Service",
            [
                "HTTPWire", "Sessions", "Storage", "Averaging", "TensorFormats", "Tensors",
                "StrictJSON",
                "ServiceLimits", "COpenSSL", log,
            ]),
        .executableTarget(
            name: "polyak",
            dependencies: [
                "Transport", "Service", "Sessions", "Storage", "ServiceLimits", "SecretFiles",
                "HTTPWire", arguments, log, yams,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "polyak-bench", dependencies: ["CBench", "COpenSSL", arguments],
            swiftSettings: strict),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        tests("StrictJSONTests", ["StrictJSON"]),
        tests("TensorsTests", ["Tensors"]),
        tests("TensorFormatsTests", ["TensorFormats", "Tensors", "StrictJSON"]),
        tests("AveragingTests", ["Averaging", "Tensors"]),
        tests("StorageTests", ["Storage", "CChecksum"]),
        tests("HTTPWireTests", ["HTTPWire", "ServiceLimits", "CNGHTTP2", "CZlib"]),
        tests(
            "TransportTests",
            ["Transport", "HTTPWire", "ServiceLimits", "SecretFiles", "CPlatform", "COpenSSL"]),
        tests(
            "SessionsTests",
            [
                "Sessions", "Averaging", "TensorFormats", "Tensors", "StrictJSON", "ServiceLimits",
                "Storage", log,
            ]),
        tests(
            "ServiceTests",
            ["Service", "Sessions", "HTTPWire", "StrictJSON", "ServiceLimits", log]),
        tests("CommandTests", ["polyak", "ServiceLimits", log]),
        tests("TidyTests", []),
    ]
)
