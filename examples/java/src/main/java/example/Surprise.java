package example;

/** Something else happened than this example is about. */
final class Surprise extends Exception {
    private static final long serialVersionUID = 1;

    Surprise(String message, Object... arguments) {
        super(message.formatted(arguments));
    }

    @Override
    public String toString() {
        return getMessage();
    }
}
