<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * A request with its parameters. It never shows them: they may be passwords.
 *
 * @template-covariant T of Answer
 */
final class Call
{
    /**
     * @param array<string, mixed> $params
     * @param \Closure(mixed, list<string>): T $read
     * @param list<string> $caller Parameters that whoever asks fills in.
     * @param list<string> $nulls Parameters that are null rather than left out.
     */
    public function __construct(
        public readonly string $request,
        #[\SensitiveParameter] private readonly array $params,
        private readonly \Closure $read,
        private readonly array $caller = [],
        private readonly array $nulls = [],
        public readonly bool $onlyReads = false,
    ) {
    }

    /**
     * The parameters as they are sent.
     *
     * @param array<string, string> $about
     */
    public function body(array $about): \stdClass
    {
        $sent = new \stdClass();
        foreach ($this->params as $name => $value) {
            $value ??= in_array($name, $this->caller, true) ? $about[$name] : null;
            if ($value !== null || in_array($name, $this->nulls, true)) {
                $sent->$name = $value;
            }
        }

        return $sent;
    }

    /**
     * Reads the answer, or throws Unfit.
     *
     * @param list<string> $messages
     * @return T
     */
    public function read(#[\SensitiveParameter] mixed $response, array $messages): Answer
    {
        return ($this->read)($response, $messages);
    }

    /**
     * An object of JSON, also where it is empty.
     *
     * @internal
     */
    public static function dict(#[\SensitiveParameter] mixed $value): mixed
    {
        return is_array($value) && ($value === [] || !array_is_list($value)) ? (object) $value : $value;
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['request' => $this->request];
    }
}
