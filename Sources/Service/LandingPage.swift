import HTTPWire

/// What a browser is shown at `/`: that the service runs, and where its API is.
enum LandingPage {
    static var response: Response {
        Response(
            text: Array(html.utf8), contentType: "text/html; charset=utf-8", status: 200,
            fields: [
                // Nothing is loaded, run, framed or sent from this page.
                (
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
                ),
                ("X-Content-Type-Options", "nosniff"),
            ])
    }

    private static let html = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Polyak</title>
        <style>
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto }
        code { font-family: ui-monospace, monospace }
        </style>
        </head>
        <body>
        <h1>Polyak is running</h1>
        <p>This service keeps the running average of a model while it trains. Trainers create a
        session with <code>PUT /v1/sessions/NAME</code>, send their parameters to
        <code>POST /v1/sessions/NAME/parameters</code>, report losses to
        <code>POST /v1/sessions/NAME/epochs</code>, and read the averaged model from
        <code>GET /v1/sessions/NAME/averages/main</code>.</p>
        <ul>
        <li><a href="/v1/sessions">The sessions</a></li>
        <li><a href="/readyz?verbose">Readiness</a></li>
        </ul>
        </body>
        </html>

        """
}
