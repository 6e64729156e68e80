<?php

declare(strict_types=1);

namespace Authnzerver;

/** Carries sealed messages to the server and back. It must not send one twice of its own accord. */
interface Transport
{
    /** Sends a message and receives what comes back; throws Unavailable where nothing does. */
    public function send(#[\SensitiveParameter] string $body, Policy $policy): Reply;
}
