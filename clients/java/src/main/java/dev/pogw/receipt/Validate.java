package dev.pogw.receipt;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/**
 * Checks a receipt: {@code Validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL]}.
 *
 * <p>RECEIPT and JWKS are files; the key set is one you fetched over TLS from the issuer you chose. Exit status: 0 good, 1
 * refused, 2 usage.
 */
public final class Validate {
    private Validate() {}

    public static void main(String[] args) throws IOException {
        if (args.length < 4) {
            System.err.println("usage: Validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL]");
            System.exit(2);
        }
        String minimumLevel = args.length > 4 ? args[4] : null;
        try {
            Jwks keys = Jwks.parse(Files.readString(Path.of(args[1])));
            var expected = new Validator.Expectations(args[3], args[2], minimumLevel, false, null, null);
            String token = Files.readString(Path.of(args[0])).strip();
            Receipt receipt = new Validator(keys, expected).validate(token, Instant.now().getEpochSecond());
            System.out.printf("good: %s of %s for job %s: %s, %s%n", receipt.id(), receipt.subject(), receipt.jobDigest(),
                    receipt.level(), receipt.results());
        } catch (Rejected rejected) {
            System.out.printf("refused: %s (%s)%n", rejected.code(), rejected.getMessage());
            System.exit(1);
        }
    }
}
