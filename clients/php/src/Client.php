<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * A server, as this program sees it.
 *
 * Ask through `at($address, $userAgent)`, which names the end user on whose behalf it is; through `itself()` for what the
 * program does of its own accord.
 */
final class Client
{
    public readonly KeyRing $keys;
    private readonly Transport $transport;

    /**
     * @param string|Transport $server Its address, such as `http://127.0.0.1:13431`, or what carries messages to it.
     * @param array<string, mixed> $tls Options of PHP's `ssl` context, where the address is `https://`.
     */
    public function __construct(
        string|Transport $server,
        #[\SensitiveParameter] KeyRing|string $keys,
        public readonly Policy $policy = new Policy(),
        array $tls = [],
    ) {
        $this->transport = is_string($server) ? new StreamTransport($server, $tls) : $server;
        $this->keys = is_string($keys) ? new KeyRing($keys) : $keys;
    }

    /** Asks on behalf of the end user at this address, with this browser. */
    public function at(string $address, string $userAgent): Caller
    {
        return new Caller($this, $address, $userAgent);
    }

    /** Asks of the program's own accord. */
    public function itself(): Caller
    {
        return $this->at('127.0.0.1', '');
    }

    /**
     * Sends a message as often as it may be sent, and returns the opened answer.
     *
     * @return array<string, mixed>
     * @internal
     */
    public function exchange(Exchange $exchange): array
    {
        for ($tried = 0;;) {
            try {
                $reply = $this->transport->send($exchange->sealed(), $this->policy);
                if (!$exchange->nextKey($reply)) {
                    return $exchange->answer($reply);
                }
            } catch (AuthError $error) {
                $tried += 1;
                $pause = $this->policy->pause($error, $exchange->onlyReads, $tried) ?? throw $error;
                usleep((int) ($pause * 1e6));
            }
        }
    }
}
