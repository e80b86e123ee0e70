// Sends the requests that standard input names, by the HttpClient of the JDK:
//
//     java Client.java HTTP_2 http://127.0.0.1:8080
//
// Lines are those of client.mjs. The certificate to trust is in the file that CA names.

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Base64;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder()
            .version(HttpClient.Version.valueOf(arguments[0]));
        if (System.getenv("CA") != null) {
            builder.sslContext(trusting(System.getenv("CA")));
        }
        HttpClient client = builder.build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(answer(client, arguments[1], line.split("\t")));
        }
        System.exit(0);
    }

    static String answer(HttpClient client, String origin, String[] parts) {
        try {
            BodyPublisher body = parts[2].equals("-")
                ? BodyPublishers.noBody() : BodyPublishers.ofFile(Path.of(parts[2]));
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(origin + parts[1]))
                .timeout(Duration.ofSeconds(60)).method(parts[0], body);
            for (int index = 3; index < parts.length; index++) {
                String[] field = parts[index].split(": ", 2);
                request.header(field[0], field[1]);
            }
            HttpResponse<byte[]> response = client.send(request.build(), BodyHandlers.ofByteArray());
            StringBuilder text = new StringBuilder()
                .append(response.version() == HttpClient.Version.HTTP_2 ? "2" : "1.1")
                .append('\t').append(response.statusCode())
                .append('\t').append(Base64.getEncoder().encodeToString(response.body()));
            response.headers().map().forEach((name, values) -> {
                if (!name.startsWith(":")) {
                    text.append('\t').append(name).append(": ").append(String.join(", ", values));
                }
            });
            return text.toString();
        } catch (Exception error) {
            return "failed\t" + error;
        }
    }

    static SSLContext trusting(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream stream = new FileInputStream(file)) {
            store.setCertificateEntry(
                "ca", CertificateFactory.getInstance("X.509").generateCertificate(stream));
        }
        TrustManagerFactory trust =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
