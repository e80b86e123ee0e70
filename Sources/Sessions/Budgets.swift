import ServiceLimits

/// What all sessions of the service share and may use up.
struct Budgets: Sendable {
    /// Memory for uploads that wait for their turn.
    let staging: ByteBudget
    /// Weights that trainers keep here.
    let cached: ByteBudget
    /// Memory that the averages' buffers need.
    let models: ByteBudget
    /// Bodies of models and weights that are being received.
    let uploads: UploadGate

    init(_ limits: Limits) {
        staging = ByteBudget(limit: limits.stagingBytes)
        cached = ByteBudget(limit: limits.cachedBytes)
        models = ByteBudget(limit: limits.allSessionBytes)
        uploads = UploadGate(
            limit: limits.uploads, limitOfIdentity: limits.uploadsPerIdentity)
    }
}
