extension Route {
    private static let sessions = "/v1/sessions"
    static let session = sessions + "/{session}"
    private static let average = session + "/averages/{average}"
    private static let cached = session + "/cached"

    /// Every resource there is; the methods of one in the order in which `Allow` names them.
    static let table = [
        Route("GET", "/", needs: nil, PolyakService.page),
        Route("GET", "/livez", needs: nil, PolyakService.live),
        Route("GET", "/readyz", needs: nil, query: ["verbose"], PolyakService.ready),
        Route("GET", "/healthz", needs: nil, query: ["verbose"], PolyakService.ready),
        Route("GET", "/problems/{problem}", needs: nil, PolyakService.explain),

        Route("GET", sessions, needs: .read, query: ["limit", "after"], PolyakService.list),
        Route("GET", session, needs: .read, PolyakService.show),
        Route("PUT", session, needs: .train, PolyakService.create),
        Route("DELETE", session, needs: .admin, PolyakService.delete),

        Route(
            "POST", session + "/parameters", needs: .train, query: ["step", "trainer", "weight"],
            PolyakService.upload),
        Route("POST", session + "/epochs", needs: .train, PolyakService.report),

        Route("GET", average, needs: .read, query: ["format", "dtype"], PolyakService.getModel),
        Route(
            "GET", average + "/tensors", needs: .read, query: ["name", "dtype"],
            PolyakService.getTensor),
        Route(
            "GET", average + "/tensors/{tensor}", needs: .read, query: ["dtype"],
            PolyakService.getTensor),

        Route("GET", cached, needs: .read, query: ["trainer"], PolyakService.getCached),
        Route("PUT", cached, needs: .train, query: ["trainer"], PolyakService.putCached),
        Route("DELETE", cached, needs: .train, query: ["trainer"], PolyakService.dropCached),
    ]
}
