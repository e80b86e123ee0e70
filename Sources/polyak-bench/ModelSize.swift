/// How large the models of a row are, and how many of them make a sample that can be timed.
struct ModelSize {
    let name: String
    /// Bytes of the parameters in F32.
    let bytes: Int
    let tensors: Int
    /// Different models, uploaded by turns.
    let distinct: Int
    let uploadsPerSample: Int

    var elements: Int { bytes / 4 }

    static let small = ModelSize(
        name: "40 KB", bytes: 40_000, tensors: 8, distinct: 8, uploadsPerSample: 400)
    static let medium = ModelSize(
        name: "4 MB", bytes: 4_000_000, tensors: 60, distinct: 3, uploadsPerSample: 20)
    static let large = ModelSize(
        name: "40 MB", bytes: 40_000_000, tensors: 150, distinct: 3, uploadsPerSample: 4)
    static let huge = ModelSize(
        name: "400 MB", bytes: 400_000_000, tensors: 300, distinct: 2, uploadsPerSample: 1)

    /// For a smoke run.
    static let tiny = ModelSize(
        name: "4 KB", bytes: 4_000, tensors: 4, distinct: 3, uploadsPerSample: 10)
    static let quick = ModelSize(
        name: "1 MB", bytes: 1_000_000, tensors: 20, distinct: 2, uploadsPerSample: 2)

    func models(_ type: UploadType) throws -> [Model] {
        try (0..<distinct).map { seed in
            try Model(elements: elements, tensors: tensors, type: type, seed: UInt64(seed))
        }
    }

    /// Times the uploads of each sample, taking the models by turns.
    func variant(
        _ name: String, _ models: [Model], _ upload: @escaping (Model) throws -> Void
    ) -> Variant {
        var uploaded = 0
        return Variant(name: name) {
            try timed(uploadsPerSample) { _ in
                try upload(models[uploaded % models.count])
                uploaded += 1
            }
        }
    }
}
