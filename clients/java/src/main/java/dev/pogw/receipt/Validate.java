package dev.pogw.receipt;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.TreeSet;

/**
 * Checks a receipt: {@code Validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL]}.
 *
 * <p>RECEIPT and JWKS are files; the key set is one you fetched over TLS from the issuer you chose. Exit status: 0 good, 1
 * refused, 2 usage, or a file that cannot be used.
 */
public final class Validate {
    private static final String USAGE = "usage: Validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL]";

    private Validate() {}

    public static void main(String[] args) {
        System.exit(validate(args));
    }

    private static int validate(String[] args) {
        if (args.length < 4 || args.length > 5) {
            return fail(USAGE);
        }
        Validator validator;
        String token;
        try {
            var expected = new Validator.Expectations(args[3], args[2], args.length > 4 ? args[4] : null, false, null, null);
            validator = new Validator(Jwks.parse(Files.readString(Path.of(args[1]))), expected);
            // What is no UTF-8 is no receipt either, which is for the validator to say.
            token = new String(Files.readAllBytes(Path.of(args[0])), StandardCharsets.UTF_8).strip();
        } catch (IllegalArgumentException impossible) {
            return fail(USAGE + ", a level being A1, A2 or A3");
        } catch (IOException unreadable) {
            return fail(unreadable.toString());
        } catch (Rejected unusable) {
            return fail(args[1] + ": " + unusable.getMessage());
        }
        try {
            Receipt receipt = validator.validate(token, Instant.now().getEpochSecond());
            System.out.printf("good: %s of %s for job %s: %s, %s%n", receipt.id(), receipt.subject(), receipt.jobDigest(),
                    receipt.level(), String.join(" ", new TreeSet<>(receipt.results())));
            return 0;
        } catch (Rejected rejected) {
            System.out.printf("refused: %s (%s)%n", rejected.code(), rejected.getMessage());
            return 1;
        }
    }

    private static int fail(String why) {
        System.err.println(why);
        return 2;
    }
}
