/** A step that the program has called, and waits for. */
class Request implements Serializable {
    private static final long serialVersionUID = 1L
    final String name
    final List args

    Request(String name, List args) {
        this.name = name
        this.args = args
    }
}
