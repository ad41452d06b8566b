/** `currentBuild`. */
class CurrentBuild {
    String description
    String result
    String currentResult = 'SUCCESS'
}
