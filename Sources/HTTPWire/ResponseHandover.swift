/// An answer on its way to the lane.
///
/// Unchecked because a `BodySource` belongs to the lane: the caller hands it over with `respond`
/// and does not touch it again.
struct ResponseHandover: @unchecked Sendable {
    let response: Response
}
