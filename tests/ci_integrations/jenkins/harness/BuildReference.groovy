/** Stands for the build in a serialized program: what Jenkins holds is no part of the program's state. */
class BuildReference implements Serializable {
    private static final long serialVersionUID = 1L

    private Object readResolve() { Jenkins.running }
}
