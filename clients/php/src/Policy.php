<?php

declare(strict_types=1);

namespace Authnzerver;

/** How patient a client is. */
final class Policy
{
    public function __construct(
        /** For a connection, TLS included. */
        public readonly float $connectSeconds = 3.0,
        /** For a request and its whole answer. After failed logins, answers come up to 40 seconds later. */
        public readonly float $answerSeconds = 75.0,
        /** How often a request is sent at most. Only one that cannot have been done yet, or only reads, is sent again. */
        public readonly int $tries = 3,
        /** The longest pause before the next try, whatever `Retry-After` says; beyond that the error comes at once. */
        public readonly float $waitSecondsMax = 2.0,
        /** The longest answer that is read. It takes six times that much memory; the server's longest have 29 MiB. */
        public readonly int $answerBytesMax = 8 << 20,
        /** For how long an idle connection is kept. The server closes them after 75 seconds. */
        public readonly float $idleSecondsMax = 60.0,
        /** How many idle connections are kept. */
        public readonly int $connectionsMax = 16,
    ) {
    }

    /** How many seconds to wait before another try; null if there is to be none. */
    public function pause(AuthError $error, bool $onlyReads, int $tried): ?float
    {
        if ($tried >= $this->tries) {
            return null;
        }
        if ($error instanceof OverLimit) {
            return $error->retryAfter <= $this->waitSecondsMax ? $error->retryAfter : null;
        }
        // A wrong answer does not get better, and whoever forges them would like us to ask again.
        if (!$error instanceof Unavailable || $error instanceof BadAnswer) {
            return null;
        }
        if ($error->maybeDone && !$onlyReads) {
            return null;
        }
        if ($error->retryAfter !== null) {
            return $error->retryAfter <= $this->waitSecondsMax ? $error->retryAfter : null;
        }

        return min(0.05 * 4 ** ($tried - 1), $this->waitSecondsMax);
    }
}
